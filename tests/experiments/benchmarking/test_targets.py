"""Targets of speed and memory."""

from dataclasses import replace

import pytest

from experiments.benchmarking.targets import Target, activation_targets, geometric_mean, training_targets
from tests.experiments.benchmarking.made_up_rows import activation_rows, training_rows


def test_the_geometric_mean():
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2)


def test_a_target_is_met_at_its_bound():
    assert Target("", 1.25, 1.25).met
    assert not Target("", 1.26, 1.25).met
    assert Target("", 3, 3, at_least=True).met
    assert not Target("", 2.9, 3, at_least=True).met


def test_targets_of_the_activation_alone_on_a_cpu():
    targets = activation_targets(activation_rows(), on_gpu=False)
    assert [(target.bound, target.met) for target in targets] == [(1.25, True), (1.05, True)] * 2
    assert targets[0].value == pytest.approx(1.2**0.75)
    assert targets[1].value == 1.0


def test_targets_of_other_competitions_on_a_cpu_are_those_of_their_layout():
    rows = [
        replace(row, activation=name, dtype=dtype)
        for row in activation_rows()
        for name in ("carelu_over_channel", "carelu_pre_norm")
        for dtype in ("float32", "bfloat16")
        if row.activation == "carelu"
    ]
    found = {(target.what.split()[0], target.what.split(", ")[2]): target for target in activation_targets(rows, False)}

    assert {key: target.bound for key, target in found.items()} == {
        ("carelu_over_channel", "float32"): 1.8,
        ("carelu_over_channel", "bfloat16"): 2.0,
        ("carelu_pre_norm", "float32"): 2.0,
        ("carelu_pre_norm", "bfloat16"): 2.0,
    }
    assert found["carelu_pre_norm", "float32"].value == pytest.approx(1.2**0.75)
    assert activation_targets(rows, on_gpu=True) == []


def test_with_no_compiler_the_target_is_the_one_for_torch_ops():
    targets = activation_targets(activation_rows(kernel="torch_ops"), on_gpu=False)
    assert {target.bound for target in targets} == {3.0}
    assert all("kernel torch_ops" in target.what for target in targets)


def test_targets_of_the_activation_alone_on_a_gpu_are_in_bfloat16():
    assert activation_targets(activation_rows(), on_gpu=True) == []
    targets = activation_targets(activation_rows("triton", "bfloat16"), on_gpu=True)
    assert [(target.bound, target.at_least) for target in targets] == [(1.25, False), (0.70, True)] * 2


def test_a_forced_kernel_is_not_held_to_the_targets():
    rows = [replace(row, forced_kernel="eager") for row in activation_rows()]
    assert activation_targets(rows, on_gpu=False) == []


def test_targets_of_training():
    found = [(target.value, target.bound, target.met) for target in training_targets(training_rows(), on_gpu=False)]
    assert found == [
        (1.5, 2, True),
        (12.0, 10, False),
        (25.0, 20, True),
        (2.0, 2.5, False),
        (4.0, 3, True),
        (1.04, 1.05, True),
        (1.5, 1.35, False),
    ]


def test_a_task_without_targets_has_none():
    row = replace(training_rows()[-1], task="superres")
    assert training_targets([row], on_gpu=False) == []


def test_a_gpu_has_to_train_200_epochs_in_10_minutes():
    row = replace(training_rows()[-1], per_second=25_000.0, evaluation_per_second=100_000.0)
    [target] = [each for each in training_targets([row], on_gpu=True) if "200 epochs" in each.what]
    assert target.value == pytest.approx(200 * (2 + 0.1) / 60)
