"""Counted costs: operations of a forward pass for one example, parameters of activations."""

import pytest
import torch
from torch import nn

from carelu import ActivationFactory
from experiments.record import ledger
from experiments.training.model_cost import activation_parameters, forward_flops, inputs_of


def test_a_multiplication_and_an_addition_count_as_two_operations_for_one_example():
    model = nn.Sequential(nn.Linear(10, 20, bias=False), nn.ReLU(), nn.Linear(20, 3, bias=False)).eval()
    assert forward_flops(model, (torch.randn(7, 10),)) == 2 * (10 * 20 + 20 * 3)
    convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert forward_flops(convolution, (torch.randn(2, 3, 5, 5),)) == 2 * 3 * 8 * 9 * 25


def test_an_lstm_is_counted():
    class Last(nn.LSTM):
        def forward(self, x):
            return super().forward(x)[0]

    found = forward_flops(Last(4, 6, batch_first=True).eval(), (torch.randn(2, 5, 4),))
    assert found == 5 * 2 * (4 * 24 + 6 * 24)


def test_the_inputs_are_those_of_the_first_call():
    model = nn.Identity()
    assert inputs_of(model, lambda: [model(torch.tensor(1)), model(torch.tensor(2))]) == (torch.tensor(1),)
    with pytest.raises(ValueError, match="the model was not called"):
        inputs_of(model, lambda: None)


def test_activation_parameters_are_those_of_the_activations_alone():
    act = ActivationFactory("carelu")
    model = nn.Sequential(nn.Linear(3, 4), act(4, sample_dims=(1,)), nn.Linear(4, 4), act(4, sample_dims=(1,)))
    assert activation_parameters(model) == 4
    assert activation_parameters(nn.Linear(3, 4)) == 0


def test_a_run_records_both_and_its_ledger_reads_them_back_as_no_metrics(run):
    outcome = run("act=carelu", "trainer.epochs=1")
    found = {name: outcome.result[name] for name in ("activation_parameters", "forward_flops")}
    assert found["activation_parameters"] == 34 and found["forward_flops"] > 1e5
    (row,) = ledger.read(outcome.identity.directory.parents[3] / "ledger.csv")[0]
    assert not found.keys() & row.metrics.keys()
    assert {name: row.as_result()[name] for name in found} == found


def test_a_count_that_fails_is_no_reason_to_lose_a_run(run, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no count")

    monkeypatch.setattr("experiments.training.evaluation.forward_flops", fail)
    result = run("trainer.epochs=1").result
    assert result["status"] == "finished" and "forward_flops" not in result
