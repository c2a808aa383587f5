import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu.surgery.kinds import Kinds
from carelu.surgery.sites import find_sites
from carelu.surgery.tracing import trace


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.norm, self.relu, self.act = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), F.silu

    def forward(self, z):
        z = F.gelu(self.norm(self.linear(z)))
        return self.act(self.relu(self.relu(z))) + torch.relu_(z.clone())


def traced(model, inputs):
    return trace(model, find_sites(model, Kinds()), inputs)


def test_calls_are_counted_with_the_shape_and_the_channels_they_saw():
    seen = traced(nn.Sequential(Block(), nn.Linear(4, 2)), torch.randn(3, 4))

    assert {name: len(calls) for name, calls in seen.calls.items()} == {"0.relu": 2, "0.act": 1}
    assert [(each.function, each.shape, each.dim, each.attribute) for (each,) in seen.functions["0"]] == [
        ("gelu", (3, 4), 1, ""),
        ("silu", (3, 4), 1, "0.act"),
        ("relu", (3, 4), 1, ""),
    ]
    assert seen.problems == seen.unsteady == []


def test_positions_that_share_one_module_are_counted_apart():
    relu = nn.ReLU()
    seen = traced(nn.Sequential(nn.Linear(4, 4), relu, nn.Unflatten(1, (2, 2)), relu), torch.randn(3, 4))
    assert [[each.shape for each in calls] for calls in seen.calls.values()] == [[(3, 4)], [(3, 2, 2)]]


def test_model_is_left_as_it_was():
    model = nn.Sequential(Block(), nn.Dropout()).train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    held, random_state = (model[0].relu, model[0].act), torch.get_rng_state()

    traced(model, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))

    assert (model[0].relu, model[0].act) == held
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].training and not model[1].training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Moody(nn.Module):
    def __init__(self, training_first: bool):
        super().__init__()
        self.training_first = training_first

    def forward(self, z):
        if self.training and self.training_first:
            z = F.gelu(z)
        z = F.relu(z)
        return F.silu(z) if self.training else z


def test_calls_of_both_modes_are_joined_where_their_order_agrees():
    seen = traced(Moody(training_first=False), torch.randn(2, 3))
    assert [each.function for (each,) in seen.functions[""]] == ["relu", "silu"]
    assert seen.unsteady == []


def test_invocations_of_one_module_are_joined_call_by_call():
    block = Moody(training_first=False)
    seen = traced(nn.Sequential(block, nn.Unflatten(1, (3, 1)), block), torch.randn(2, 3))
    assert [[each.shape for each in position] for position in seen.functions["0"]] == [[(2, 3), (2, 3, 1)]] * 2


def test_calls_in_another_order_are_said_to_be_unsteady():
    assert traced(Moody(training_first=True), torch.randn(2, 3)).unsteady == [""]


def test_inputs_that_the_model_does_not_accept_are_refused():
    with pytest.raises(ValueError, match="example_inputs cannot be passed to Sequential"):
        traced(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.randn(3, 5))


def test_a_failure_in_training_alone_is_reported():
    class OnlyEvaluates(nn.Module):
        def forward(self, z):
            if self.training:
                raise RuntimeError("no labels")
            return F.relu(z)

    seen = traced(OnlyEvaluates(), torch.randn(2, 3))
    assert len(seen.functions[""]) == 1
    assert "no labels" in seen.problems[0]


def test_a_lazy_model_is_refused_before_it_gets_its_shapes():
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    with pytest.raises(ValueError, match=r"0\.weight of Sequential has no shape yet.*call the model once first"):
        traced(model, torch.randn(2, 3))
    assert isinstance(model[0], nn.LazyLinear)
    model(torch.randn(2, 3))
    assert len(traced(model, torch.randn(2, 3)).calls["1"]) == 1
