import copy
import math

import pytest
import torch
from torch import nn

from carelu import CAReLU, PReLU, monitor, param_groups, replace_activations


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), CAReLU(), nn.Linear(4, 4), PReLU(), nn.PReLU(), nn.ReLU())


def steps_without_gradient(groups, **options) -> None:
    optimizer = torch.optim.AdamW(groups, **options)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    for _ in range(50):
        optimizer.step()


def test_weight_decay_reaches_the_layers_and_not_the_activations():
    network = model()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    steps_without_gradient(param_groups(network, weight_decay=0.1), lr=0.1)

    kept = {name for name, p in network.named_parameters() if torch.equal(p, before[name])}
    assert kept == {"1.alpha", "1.beta", "3.weight", "4.weight"}
    torch.testing.assert_close(network[0].weight, before["0.weight"] * 0.99**50)


class Scaled(nn.Module):
    """An activation of someone's own that is registered nowhere."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, z):
        return z.relu() * self.scale


class Derived(CAReLU):
    pass


class Shifted(nn.Module):
    def forward(self, alpha):
        return alpha + 1


def replaced_by_a_class() -> nn.Module:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    replace_activations(network, Scaled)
    return network


def parametrized() -> nn.Module:
    network = nn.Sequential(nn.Linear(4, 4), CAReLU())
    torch.nn.utils.parametrize.register_parametrization(network[1], "alpha", Shifted())
    return network


@pytest.mark.parametrize(
    "make",
    [
        replaced_by_a_class,
        lambda: copy.deepcopy(replaced_by_a_class()),
        parametrized,
        lambda: nn.Sequential(nn.Linear(4, 4), Derived()),
    ],
)
def test_activations_of_ones_own_and_derived_ones_have_no_weight_decay(make):
    network = make()
    layers, activations = param_groups(network, weight_decay=0.1)
    assert {id(p) for p in activations["params"]} == {id(p) for p in network[1].parameters()}
    assert {id(p) for p in layers["params"]} == {id(p) for p in network[0].parameters()}
    (row,) = monitor(network).rows()
    assert row["layer"] == "1"


def test_one_group_for_all_would_draw_the_scale_of_carelu_to_zero():
    module = CAReLU()

    steps_without_gradient(module.parameters(), lr=0.1, weight_decay=0.1)

    assert module.scale(torch.tensor(0.5)).item() == pytest.approx(1.5 * math.tanh(math.atanh(1 / 1.5) * 0.99**50))
    assert module.scale(torch.tensor(0.5)).item() < 0.8


def test_every_parameter_is_in_one_group_once():
    network = nn.Sequential(model(), CAReLU())
    network[1].alpha = network[0][1].alpha  # two modules share it

    groups = param_groups(network, weight_decay=0.1)

    together = [id(p) for group in groups for p in group["params"]]
    assert sorted(together) == sorted(map(id, network.parameters()))


def test_the_activations_learn_at_a_multiple_of_the_rate():
    layers, activations = param_groups(model(), weight_decay=0.1, lr=0.2, lr_scale=0.5)

    assert (layers["lr"], activations["lr"]) == (0.2, 0.1)
    assert (layers["weight_decay"], activations["weight_decay"]) == (0.1, 0.0)


def test_a_model_without_parameters_of_activations_has_one_group():
    assert len(param_groups(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), weight_decay=0.1)) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"lr": math.nan}, "lr=nan"),
        ({"lr": 0.1, "lr_scale": -1}, "lr_scale=-1"),
        ({"lr_scale": 2.0}, r"lr_scale=2.0 needs .*lr=…"),
    ],
    ids=str,
)
def test_a_number_that_makes_no_sense_is_named(options, named):
    with pytest.raises(ValueError, match=named):
        param_groups(model(), **options)
