"""Tiles give what the whole image gives, and activations that would not are told apart."""

import pytest
import torch

from carelu import ActivationFactory, activation_names
from experiments.tasks.superres.edsr import edsr
from experiments.tasks.superres.espcn import espcn
from experiments.tasks.superres.tiling import site_that_needs_the_whole_image, tiled


def built(model, name, scale=2, **options):
    torch.manual_seed(0)
    activation = ActivationFactory(name, **options)
    return espcn(activation, scale) if model == "espcn" else edsr(activation, scale, blocks=2, features=4)


LOCAL = [("relu", {}), ("prelu", {}), ("gelu", {}), ("carelu_sign", {"over": "feature"})]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("tile", [7, 16, 100])
def test_tiles_give_the_output_of_the_whole_image_at_every_scale(scale, tile):
    model = built("edsr", "relu", scale).double()
    images = torch.rand(2, 3, 23, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tiled(model, images, scale, tile), model(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", ["edsr", "espcn"])
@pytest.mark.parametrize(("name", "options"), LOCAL)
def test_tiles_give_the_output_of_the_whole_image_for_local_activations(model, name, options):
    model = built(model, name, **options)
    assert site_that_needs_the_whole_image(model) is None
    images = torch.rand(1, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tiled(model, images, 2, 9), model(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in activation_names() if n.startswith("carelu") and n != "carelu_pre_norm"])
@pytest.mark.parametrize("over", ["sample", "channel", (2,), (-1,)])
def test_a_competition_over_height_or_width_needs_the_whole_image(name, over):
    assert site_that_needs_the_whole_image(built("espcn", name, over=over)) == "act1"


def test_a_competition_over_the_whole_image_would_be_another_one_in_a_tile():
    model = built("espcn", "carelu_sign")
    images = torch.rand(1, 3, 30, 20, generator=torch.Generator().manual_seed(0))
    assert (tiled(model, images, 2, 9) - model(images)).abs().max() > 1e-4
