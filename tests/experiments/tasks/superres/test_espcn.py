"""ESPCN: its size, its sites and its reach."""

import pytest
import torch

from carelu import ActivationFactory, activation_modules
from experiments.tasks.superres.espcn import espcn


def built(name="relu", scale=2):
    torch.manual_seed(0)
    return espcn(ActivationFactory(name), scale)


def test_number_of_parameters():
    layers = [(3, 64, 5), (64, 64, 3), (64, 32, 3), (32, 12, 3)]
    expected = sum(inputs * outputs * size**2 + outputs for inputs, outputs, size in layers)
    assert sum(p.numel() for p in built().parameters()) == expected == 63_724


def test_each_of_three_sites_has_its_own_activation():
    assert len({id(module.alpha) for _, module in activation_modules(built("carelu"))}) == 3


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_output_is_larger_by_the_scale(scale):
    assert built(scale=scale)(torch.rand(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_an_output_pixel_depends_on_input_pixels_up_to_five_away():
    model = built()
    images = torch.rand(1, 3, 15, 15, requires_grad=True)
    seen = torch.autograd.grad(model(images)[..., 14:16, 14:16].sum(), images)[0].abs().sum((0, 1)).nonzero()
    assert (seen - 7).abs().max() == 5
