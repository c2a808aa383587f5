"""Proper names of activations, tasks, models and data."""

from dataclasses import replace

import pytest

from experiments.analysis.runs import Setting
from experiments.report.names import activation_name, data_name, model_name, task_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("carelu", "CAReLU"),
        ("carelu(gain=2, over=channel)", "CAReLU (gain=2, over=channel)"),
        ("leaky_relu", "Leaky ReLU"),
        ("mine(slope=0.1)", "mine (slope=0.1)"),
    ],
)
def test_a_known_activation_has_its_proper_name_and_another_keeps_its_own(label, name):
    assert activation_name(label) == name


def test_tasks_and_data_have_proper_names_too():
    assert (task_name("cifar100"), task_name("toy")) == ("CIFAR-100", "toy")
    held_out = Setting("cifar100", "small", "m", "cifar100", "cpu", "float32", overrides='{"data.held_out": 5000}')
    assert data_name(held_out) == "CIFAR-100 (held_out=5000)"
    assert data_name(replace(held_out, task="toy", data="mine", overrides="{}")) == "mine"


@pytest.mark.parametrize(
    ("task", "model", "overrides", "name"),
    [
        ("cifar100", "resnet18-w32", "{}", "ResNet-18 w32"),
        ("superres", "edsr-4x32", "{}", "EDSR 4x32"),
        ("superres", "espcn", '{"trainer.epochs": 3}', "ESPCN"),
        ("text", "bert", '{"model.layers": 4}', "BERT (layers=4)"),
        ("text", "bilstm", "{}", "BiLSTM"),
        ("text", "mine-2", '{"model.width": 8}', "mine-2 (width=8)"),
        ("toy", "bert", "{}", "bert"),
    ],
)
def test_models_have_proper_names_too(task, model, overrides, name):
    assert model_name(Setting(task, "small", model, "d", "cpu", "float32", overrides=overrides)) == name
