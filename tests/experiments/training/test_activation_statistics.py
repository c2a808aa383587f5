"""What is recorded of the activations of a model."""

import pytest
import torch
from torch import nn

from carelu import ActivationFactory
from experiments.training.activation_statistics import activation_statistics


def test_each_parameter_is_recorded_by_its_mean():
    model = nn.Sequential(nn.Linear(4, 4), ActivationFactory("prelu")(4, (1,)), nn.Linear(4, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.full_like(model[1].weight, 0.5))
    assert activation_statistics(model, lambda: pytest.fail("no forward pass is needed")) == {"1": {"weight": 0.5}}


def test_an_activation_without_parameters_is_left_out():
    assert activation_statistics(nn.Sequential(ActivationFactory("relu")(4, (1,))), lambda: None) == {}


def test_share_and_scale_of_carelu_are_those_of_the_first_forward_pass():
    module = ActivationFactory("carelu")(4, (1, 2, 3))
    first, second = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(module)

    def forward():
        model(first)
        model(second)

    values = activation_statistics(model, forward)["0"]
    share = module.share(first).flatten()
    assert values["share"] == pytest.approx(float(share.mean()))
    assert values["share_std"] == pytest.approx(float(share.std(correction=0)))
    assert values["scale"] == pytest.approx(module.scale(share).mean().item())
    assert not module._forward_pre_hooks
