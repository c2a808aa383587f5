"""Proper names of activations, tasks and data."""

from dataclasses import replace

import pytest

from experiments.analysis.runs import Setting
from experiments.report.names import activation_name, data_name, task_name


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
