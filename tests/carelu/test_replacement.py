import copy

import pytest
import torch
from torch import nn

from carelu import CAReLU, PReLU, register, replace_activations
from carelu.registry import unregister


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.GELU()), nn.Dropout(), nn.Linear(8, 2)
    )


def modules_of(model: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, kind)]


def test_every_activation_is_replaced_and_named():
    model = perceptron()

    names = replace_activations(model)

    assert names == ["1", "2.1"]
    assert all(type(model.get_submodule(name)) is CAReLU for name in names)
    assert not modules_of(model, (nn.ReLU, nn.GELU))


def test_everything_else_stays_the_same_object():
    model = perceptron()
    before = [model[0], model[2], model[2][0], model[3], model[4]]

    replace_activations(model)

    after = [model[0], model[2], model[2][0], model[3], model[4]]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_each_place_gets_its_own_parameters():
    model = perceptron()

    replace_activations(model)

    first, second = modules_of(model, CAReLU)
    assert first is not second
    assert len({id(parameter) for module in (first, second) for parameter in module.parameters()}) == 4


def test_options_reach_the_new_modules():
    model = perceptron()

    replace_activations(model, "carelu_l1", over="feature", gain=2.0)

    for module in modules_of(model, CAReLU):
        assert (module.competition, module.over, module.gain) == ("l1", "feature", 2.0)


def test_classes_named_in_replace_are_the_only_ones_replaced():
    model = perceptron()

    assert replace_activations(model, "prelu", replace=(nn.GELU,)) == ["2.1"]

    assert type(model[1]) is nn.ReLU
    assert type(model[2][1]) is PReLU


def test_classes_of_the_user_can_be_replaced():
    model = nn.Sequential(nn.Linear(3, 3), nn.Sigmoid())

    assert replace_activations(model, replace=(nn.Sigmoid,)) == ["1"]

    assert type(model[1]) is CAReLU


def test_activations_of_this_library_are_replaced_too():
    model = perceptron()
    replace_activations(model, "carelu")

    assert replace_activations(model, "mish") == ["1", "2.1"]

    assert not modules_of(model, CAReLU)


def test_gates_and_outputs_are_left_alone():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Sigmoid(), nn.Softmax(dim=1))

    assert replace_activations(model) == ["1"]


@pytest.mark.parametrize(
    "name",
    [
        "ReLU",
        "ReLU6",
        "LeakyReLU",
        "RReLU",
        "PReLU",
        "ELU",
        "CELU",
        "SELU",
        "GELU",
        "SiLU",
        "Mish",
        "Hardswish",
        "Softplus",
    ],
)
def test_each_activation_of_torch_between_layers_is_replaced(name):
    assert replace_activations(nn.Sequential(nn.Linear(2, 2), getattr(nn, name)())) == ["1"]


@pytest.mark.parametrize("name", ["Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Hardsigmoid", "Hardtanh", "GLU"])
def test_each_gate_and_output_of_torch_is_left_alone(name):
    assert replace_activations(nn.Sequential(getattr(nn, name)(), nn.ReLU())) == ["1"]


def test_a_name_that_begins_with_another_is_replaced_too():
    model = nn.ModuleDict({"act": nn.ReLU(), "act2": nn.ReLU()})

    assert replace_activations(model) == ["act", "act2"]


def test_module_under_two_names_gives_way_to_two_modules():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Linear(3, 3), shared, nn.Linear(3, 3), shared)

    assert replace_activations(model) == ["1", "3"]

    assert type(model[1]) is type(model[3]) is CAReLU
    assert model[1] is not model[3]
    assert model[1].alpha is not model[3].alpha


def test_activation_inside_a_replaced_one_goes_with_it():
    try:

        @register("negated_relu")
        class NegatedReLU(nn.Module):
            def __init__(self):
                super().__init__()
                self.relu = nn.ReLU()

            def forward(self, z):
                return -self.relu(z)

        model = nn.Sequential(nn.Linear(3, 3), NegatedReLU())
        names = replace_activations(model)
    finally:
        unregister("negated_relu")

    assert names == ["1"]
    assert type(model[1]) is CAReLU
    assert not list(model[1].children())


def test_new_modules_are_on_the_device_of_the_model():
    model = perceptron().to("meta")

    replace_activations(model)

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_model_without_parameters_is_served():
    model = nn.Sequential(nn.Flatten(), nn.ReLU())

    assert replace_activations(model) == ["1"]


def test_replaced_model_learns_its_activations():
    model = perceptron()
    replace_activations(model, over="feature")

    model(torch.randn(5, 6, generator=torch.Generator().manual_seed(0))).square().sum().backward()

    for module in modules_of(model, CAReLU):
        assert module.alpha.grad.isfinite() and module.alpha.grad != 0
        assert module.beta.grad.isfinite() and module.beta.grad != 0


@pytest.mark.parametrize("model", [nn.Sequential(nn.Linear(3, 3)), nn.ReLU()], ids=["no_activation", "no_submodule"])
def test_model_with_nothing_to_replace_is_refused(model):
    with pytest.raises(ValueError, match="no activation module to replace"):
        replace_activations(model)


def test_replacing_no_class_is_refused():
    with pytest.raises(ValueError, match="no activation module to replace"):
        replace_activations(perceptron(), replace=())


@pytest.mark.parametrize(("name", "options"), [("cralu", {}), ("carelu", {"gian": 2.0}), ("carelu", {"gain": 0.5})])
def test_model_is_untouched_when_the_request_is_wrong(name, options):
    model = perceptron()

    with pytest.raises(ValueError):
        replace_activations(model, name, **options)

    assert type(model[1]) is nn.ReLU
    assert type(model[2][1]) is nn.GELU


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=10).eval()


def test_resnet_keeps_its_result_when_carelu_starts_as_relu(resnet):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model = copy.deepcopy(resnet)

    names = replace_activations(model)

    # One in the stem, one in each of the eight blocks.
    assert len(names) == 9 and "relu" in names and "layer4.1.relu" in names
    assert not modules_of(model, nn.ReLU)
    activations = modules_of(model, CAReLU)
    assert len({id(parameter) for module in activations for parameter in module.parameters()}) == 18
    with torch.no_grad():
        assert torch.allclose(model(images), resnet(images), rtol=1e-4, atol=1e-5)


def test_an_activation_that_needs_the_tensor_before_normalisation_is_refused():
    with pytest.raises(ValueError, match="competition_input"):
        replace_activations(nn.Sequential(nn.ReLU()), "carelu_pre_norm")
