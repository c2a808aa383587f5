import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu import replace_activations


class Network(nn.Module):
    def __init__(self, act=None):
        super().__init__()
        self.a, self.act = nn.Linear(4, 4), act


class UnusedResult(Network):
    def forward(self, x):
        F.relu(x, inplace=True)
        return x


class Residual(Network):
    def forward(self, x):
        return F.silu(x + self.a(self.act(x)), inplace=True)


class Training(Network):
    def forward(self, x):
        x = self.a(x)
        if self.training:
            F.relu(x, True)
        return x


class Used(Network):
    def forward(self, x):
        return F.relu(self.act(self.a(x)), inplace=True)


def batch():
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("model", "site"),
    [
        (UnusedResult(), "functional_0_relu"),
        (Training(), "functional_0_relu"),
        (Residual(nn.ReLU(inplace=True)), "act"),
        (Residual(nn.Sequential(nn.ReLU(inplace=True))), "act.0"),
        (Residual(torch.relu_), "act"),
    ],
)
def test_activations_whose_overwritten_input_is_used_are_refused_by_name(model, site):
    inputs = batch()
    before = vars(model).copy()
    with pytest.raises(ValueError, match=rf"overwrite in place: {site}; .*inplace=False"):
        replace_activations(model, example_inputs=inputs)
    assert vars(model) == before and torch.equal(inputs, batch())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_where_only_the_result_is_used_they_are_replaced():
    model = Used(nn.ReLU(inplace=True))
    before = model(batch())
    assert replace_activations(model, example_inputs=batch()) == ["act", "functional_0_relu"]
    assert torch.allclose(model(batch()), before, atol=1e-6)


def test_sites_that_stay_may_overwrite_their_inputs():
    model = nn.Sequential(Residual(nn.ReLU(inplace=True)), nn.ReLU())
    assert replace_activations(model, example_inputs=batch(), where="1") == ["1"]


def test_example_inputs_are_left_as_they_were():
    inputs = batch()
    replace_activations(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4)), example_inputs=inputs)
    assert torch.equal(inputs, batch())
