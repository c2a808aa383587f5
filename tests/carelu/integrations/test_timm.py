import pytest
import torch
from torch import nn

from carelu import CAReLU, activation_modules


def register() -> list[str]:
    from carelu.integrations.timm import register

    return register()


@pytest.fixture(autouse=True)
def timm():
    """With the activations; imported here, as it takes seconds that listing the tests should not."""
    timm = pytest.importorskip("timm")
    register()
    return timm


def moved(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for _, module in activation_modules(model):
            module.alpha.fill_(2.0)
            module.beta.fill_(-1.0)
    return model.eval()


def test_a_network_of_convolutions_is_made_by_name(timm):
    torch.manual_seed(0)
    model = moved(timm.create_model("resnet10t", act_layer="carelu", num_classes=3))
    images = torch.randn(2, 3, 32, 32)

    sites = [module for _, module in activation_modules(model)]
    assert {type(site) for site in sites} == {CAReLU}
    assert len({id(site.alpha) for site in sites}) == len(sites) > 5
    assert not any(isinstance(module, nn.ReLU) for module in model.modules())
    torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-3, atol=1e-4)
    model(images).sum().backward()
    assert all(site.alpha.grad.isfinite() for site in sites)


def test_in_a_transformer_no_token_sees_another(timm):
    model = timm.create_model(
        "vit_tiny_patch16_224", act_layer="carelu", img_size=32, depth=1, embed_dim=12, num_heads=2, num_classes=3
    )
    mlp = moved(model).blocks[0].mlp
    tokens = torch.randn(2, 5, 12)

    assert isinstance(mlp.act, CAReLU)
    torch.testing.assert_close(mlp(tokens)[:, :2], mlp(tokens[:, :2]))


def test_options_and_in_place_are_taken_as_timm_passes_them(timm):
    layer = timm.layers.create_act_layer("carelu", inplace=True, gain=2.0)

    assert isinstance(layer, CAReLU)
    assert layer.gain == 2.0
    z = torch.randn(2, 3)
    before = z.clone()
    layer(z)
    assert torch.equal(z, before)


def test_a_second_registration_changes_nothing_and_names_of_timm_keep_their_meaning(timm):
    assert register() == []
    assert timm.layers.get_act_layer("relu") is nn.ReLU
