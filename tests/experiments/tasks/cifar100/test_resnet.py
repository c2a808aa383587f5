"""ResNet-18: its size, its activation sites, and what it hands to them."""

import pytest
import torch

from carelu import ActivationFactory, CAReLU, activation_modules, activation_names
from experiments.tasks.cifar100.resnet import resnet18

PARAMETERS = 11_220_132
SITES = 17
CHANNELS = 64 * 5 + 128 * 4 + 256 * 4 + 512 * 4
"""Sum of the channels over the sites."""


def built(name, width=64, **options):
    torch.manual_seed(0)
    return resnet18(ActivationFactory(name, **options), num_classes=100, width=width)


@pytest.mark.parametrize(("name", "of_activations"), [("relu", 0), ("prelu", CHANNELS), ("carelu", 2 * SITES)])
def test_number_of_parameters(name, of_activations):
    assert sum(p.numel() for p in built(name).parameters()) == PARAMETERS + of_activations


def test_each_site_has_its_own_module():
    model = built("carelu", width=4)
    assert len(list(activation_modules(model))) == SITES
    assert len({id(module.alpha) for _, module in activation_modules(model)}) == SITES


@pytest.mark.parametrize("name", activation_names())
def test_other_weights_start_the_same_with_every_activation(name):
    relu, other = built("relu", width=4).state_dict(), built(name, width=4).state_dict()
    assert all(torch.equal(other[key], value) for key, value in relu.items())


def test_carelu_starts_with_the_outputs_of_relu():
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(built("carelu", width=4)(images), built("relu", width=4)(images))


def test_pre_norm_measures_on_the_output_of_the_convolution_before():
    model = built("carelu_pre_norm", width=4)
    seen = {}
    for name in ("conv1", "blocks.0.conv1", "blocks.0.conv2"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output}))
    handed = {}
    for name in ("act1", "blocks.0.act1", "blocks.0.act2"):
        module = model.get_submodule(name)
        module.register_forward_pre_hook(lambda module, inputs, name=name: handed.update({name: inputs[1]}))
    model(torch.randn(2, 3, 32, 32))
    for convolution, activation in (
        ("conv1", "act1"),
        ("blocks.0.conv1", "blocks.0.act1"),
        ("blocks.0.conv2", "blocks.0.act2"),
    ):
        assert handed[activation] is seen[convolution]


def test_one_image_never_changes_the_result_of_another():
    model = built("carelu_sign", width=4).eval()
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_whole_network_compiles_without_a_graph_break():
    model = built("carelu", width=2).eval()
    images = torch.randn(2, 3, 32, 32)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(images), model(images), rtol=1e-4, atol=1e-5)


def test_all_sites_of_one_image_compete_over_channel_height_and_width():
    model = built("carelu", width=4)
    assert all(module.over == (1, 2, 3) for module in model.modules() if isinstance(module, CAReLU))
