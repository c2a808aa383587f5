import functools

import pytest
import timm.layers
import torch
from torch import nn
from torch.nn import functional as F
from transformers import activations

from carelu import CAReLU
from carelu.surgery.kinds import Kinds, function_name, functions_in_code, is_known_activation_or_gate

USUAL = Kinds()


@pytest.mark.parametrize(
    "module",
    [
        nn.ReLU(),
        CAReLU(),
        activations.GELUActivation(),
        activations.NewGELUActivation(),
        activations.FastGELUActivation(),
        activations.QuickGELUActivation(),
        activations.PytorchGELUTanh(),
        activations.SiLUActivation(),
        activations.MishActivation(),
        timm.layers.GELU(),
        timm.layers.GELUTanh(),
        timm.layers.QuickGELU(),
        timm.layers.Swish(),
        timm.layers.Mish(),
        timm.layers.HardSwish(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_activations_between_layers_are_known_by_class(module):
    assert USUAL.holds(module)


@pytest.mark.parametrize(
    "module",
    [nn.Sigmoid(), nn.Linear(2, 2), activations.LinearActivation(), timm.layers.HardSigmoid(), timm.layers.Tanh()],
    ids=lambda module: type(module).__name__,
)
def test_gates_and_layers_are_not(module):
    assert not USUAL.holds(module)


def test_a_class_that_only_shares_its_name_with_one_of_timm_is_not_known():
    assert not USUAL.holds(type("Swish", (nn.Module,), {})())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (F.relu, "relu"),
        (torch.relu, "relu"),
        (torch.Tensor.relu_, "relu"),
        (F.gelu, "gelu"),
        (functools.partial(F.gelu, approximate="tanh"), "gelu"),
        (timm.layers.activations.swish, "swish"),
        (torch.sigmoid, None),
        (nn.ReLU(), None),
        (nn.ReLU, None),
        ("relu", None),
        (None, None),
    ],
)
def test_functions_are_known_by_name(value, name):
    assert function_name(value) == name


def test_named_kinds_are_the_only_ones():
    kinds = Kinds([nn.Sigmoid, F.gelu])

    assert kinds.holds(nn.Sigmoid()) and not kinds.holds(nn.ReLU())
    assert not kinds.holds(activations.GELUActivation())
    assert kinds.functions == {"gelu"}


@pytest.mark.parametrize("replace", [["relu"], [nn.ReLU()], [torch.sigmoid], 3])
def test_what_is_neither_class_nor_function_is_refused(replace):
    with pytest.raises(ValueError, match="neither a class of modules nor a function"):
        Kinds(replace)


def test_what_known_activations_and_gates_call_inside_is_their_own_business():
    assert is_known_activation_or_gate(activations.SiLUActivation())
    assert is_known_activation_or_gate(timm.layers.HardSigmoid())
    assert not is_known_activation_or_gate(nn.Sequential())


class Calling(nn.Module):
    def forward(self, z):
        return torch.nn.functional.silu(self.inner(z))

    def inner(self, z):
        return F.relu(z, inplace=True) + torch.sigmoid(z)


class Holding(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, z):
        return self.relu(z)


def test_functions_that_the_code_names_are_found_without_running_it():
    assert set(functions_in_code(Calling())) == {"F.silu", "F.relu"}
    assert functions_in_code(Holding()) == []
    assert functions_in_code(nn.TransformerDecoderLayer(4, 2)) == []
