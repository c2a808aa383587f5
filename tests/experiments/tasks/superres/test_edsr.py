"""EDSR: its size, its sites, and what goes through it."""

import pytest
import torch

from carelu import ActivationFactory, activation_modules, activation_names
from experiments.tasks.superres.edsr import edsr

NAMES = [name for name in activation_names() if name != "carelu_pre_norm"]


def built(name="relu", scale=2, **size):
    torch.manual_seed(0)
    return edsr(ActivationFactory(name), scale, **size)


def small(name="relu", scale=2):
    return built(name, scale, blocks=2, features=4)


@pytest.mark.parametrize(("scale", "parameters"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_the_baseline_has_the_published_number_of_parameters(scale, parameters):
    assert sum(p.numel() for p in built(scale=scale).parameters()) == parameters


def test_each_block_has_its_own_activation():
    model = built("carelu", features=4)
    assert len({id(module.alpha) for _, module in activation_modules(model)}) == 16
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in built(features=4).parameters()) + 32


def test_the_mean_shift_is_a_buffer():
    model = small()
    assert "mean" in model.state_dict()
    assert "mean" not in dict(model.named_parameters())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_output_is_larger_by_the_scale(scale):
    assert small(scale=scale)(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_without_weights_the_output_is_the_mean():
    model = small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    output = model(torch.rand(1, 3, 4, 4))
    torch.testing.assert_close(output, model.mean.expand(1, 3, 8, 8))


@pytest.mark.parametrize("name", NAMES)
def test_other_weights_start_the_same_with_every_activation(name):
    relu, other = small().state_dict(), small(name).state_dict()
    assert all(torch.equal(other[key], value) for key, value in relu.items())


def test_carelu_starts_with_the_outputs_of_relu():
    images = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(small("carelu")(images), small()(images))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_output_pixel_depends_on_no_input_pixel_beyond_the_convolutions_reach(scale):
    model, size = small(scale=scale).double(), 25
    images = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    output = model(images)
    centre = slice(size // 2 * scale, (size // 2 + 1) * scale)
    seen = torch.autograd.grad(output[..., centre, centre].sum(), images)[0].abs().sum((0, 1)).nonzero()
    assert (seen - size // 2).abs().max() <= 2 * len(model.blocks) + 4


def test_a_model_without_normalisation_refuses_a_competition_before_it():
    with pytest.raises(ValueError, match="competition_input='pre_norm'"):
        small("carelu_pre_norm")
