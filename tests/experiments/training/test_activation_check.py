"""Each mistake in the class of an activation is one message that names the way out, before any training."""

import pytest
import torch
from torch import Tensor, nn

from carelu import ActivationFactory, activation_names, register, registry
from experiments.errors import BadInput
from experiments.tasks.cifar100.resnet import resnet18
from experiments.training.activation_check import IMAGES, TOKENS, CheckedActivations, Site, check_activation, check_site

CPU = torch.device("cpu")
SHARED = nn.Parameter(torch.ones(1))


@pytest.fixture(autouse=True)
def forgets(monkeypatch):
    """What a test registers is known until its end."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def planted(forward, parameter=None, **members):
    """The factory of an activation `f` with this forward; `parameter` makes its `self.a`."""

    class Planted(nn.Module):
        def __init__(self):
            super().__init__()
            if parameter:
                self.a = parameter()

    for name, member in {"forward": forward, **members}.items():
        setattr(Planted, name, member)
    register("f")(Planted)
    return ActivationFactory("f")


def one():
    return nn.Parameter(torch.ones(1))


MISTAKES = {
    "another shape": (lambda self, z: z.mean(1), None, r"shape \(4, 5, 7\) for .* \(4, 8, 5, 7\); return one value"),
    "another dtype": (lambda self, z: z.double(), None, r"float64 for .* torch\.float32; convert .*\.to\(z\.dtype\)"),
    "no tensor": (lambda self, z: None, None, "returns NoneType; return a tensor"),
    "nan for negative values": (lambda self, z: z.sqrt(), None, r"output .* nan for the input -.*clamp"),
    "nan at 0": (lambda self, z: z * z / z, None, "output .* nan for the input 0;"),
    "a slope without end": (lambda self, z: z.abs().sqrt(), None, "derivative .* for the input 0;"),
    "constant": (lambda self, z: 0 * z, None, "derivative .* is 0 everywhere"),
    "detached": (lambda self, z: z.detach().relu(), None, r"no gradient reaches its input; .*detach\(\)"),
    "detached beside a parameter": (lambda self, z: self.a * z.detach(), one, "no gradient reaches its input"),
    "by numpy": (lambda self, z: torch.from_numpy(z.detach().numpy().clip(0)), None, "no gradient .* numpy"),
    "in place": (lambda self, z: z.clamp_(min=0), None, r"changes its input; .*z\.clamp\("),
    "saved and changed": (lambda self, z: z.exp().sqrt().mul_(2), None, "backward pass fails: .* in place"),
    "unused": (lambda self, z: z.relu(), one, "forward does not use its parameter 'a'"),
    "wrong channels": (
        lambda self, z: self.a.view(-1, 1, 1) * z,
        lambda: nn.Parameter(torch.ones(5)),
        r"forward fails .* 8 channels in dimension 1.* for_site\(cls, channels,",
    ),
    "along the wrong dimension": (lambda self, z: self.a * z, lambda: nn.Parameter(torch.ones(8)), "forward fails .*"),
    "shared": (lambda self, z: self.a * z, lambda: SHARED, r"share the parameter 'a'; make it in __init__"),
    "a tensor": (
        lambda self, z: self.a * z,
        lambda: torch.ones(1, requires_grad=True),
        r"no optimizer would see 'a', a tensor with requires_grad; .*nn\.Parameter",
    ),
    "a list": (lambda self, z: self.a[0] * z, lambda: [one()], r"'a', a list of parameters; .*nn\.ParameterList"),
    "an infinite gradient of a parameter": (
        lambda self, z: z * (1 + self.a.sqrt()),
        lambda: nn.Parameter(torch.zeros(1)),
        "gradient of its parameter 'a' is not finite",
    ),
    "any error": (lambda self, z: z.no_such_name, None, "forward fails .*AttributeError: .*no_such_name"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_with_the_way_out(mistake):
    forward, parameter, message = MISTAKES[mistake]
    with pytest.raises(BadInput, match=f"^act=f: .*{message}") as error:
        check_site(planted(forward, parameter), IMAGES, "float32", CPU)
    assert "\n" not in str(error.value) and "; " in str(error.value)


def test_a_dtype_is_asked_for_where_the_run_has_it():
    promoting = planted(lambda self, z: self.a * z, one)
    check_site(promoting, IMAGES, "float32", CPU)
    with pytest.raises(BadInput, match=r"float32 for an input of torch\.bfloat16"):
        check_site(promoting, IMAGES, "bfloat16", CPU)


def test_channels_that_nothing_sets_are_refused():
    @register("f")
    class Slope(nn.Module):
        def __init__(self, channels: int = 1):
            super().__init__()
            self.a = nn.Parameter(torch.ones(channels))

        def forward(self, z: Tensor) -> Tensor:
            return self.a * z

    with pytest.raises(BadInput, match=r"Slope takes channels, and nothing sets them: .* class method for_site"):
        check_site(ActivationFactory("f"), IMAGES, "float32", CPU)


@pytest.mark.parametrize(
    ("for_site", "message"),
    [
        (lambda cls, channels: cls(), r"cannot be built .*TypeError.* for_site\(cls, channels, sample_dims, pre_norm"),
        (lambda cls, channels, sample_dims, pre_norm: None, r"for_site returns NoneType; return a module: cls"),
    ],
)
def test_a_wrong_for_site_is_answered_with_its_arguments(for_site, message):
    with pytest.raises(BadInput, match=message):
        check_site(planted(lambda self, z: z.relu(), for_site=classmethod(for_site)), IMAGES, "float32", CPU)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("site", [IMAGES, TOKENS, Site(5, (1, 2, 3), True), Site(1, (1,))])
@pytest.mark.parametrize("name", activation_names())
def test_every_activation_of_the_library_passes(name, site, precision):
    if name != "carelu_pre_norm" or site.pre_norm:
        check_site(ActivationFactory(name), site, precision, CPU)


def test_an_activation_for_tokens_alone_may_fail_on_images():
    factory = planted(lambda self, z: nn.functional.layer_norm(z, (8,)) if z.ndim == 3 else z.no_such_name)
    check_activation(factory, "float32", CPU)
    with pytest.raises(BadInput, match="no_such_name"):
        check_activation(planted_again(lambda self, z: z.no_such_name), "float32", CPU)


def planted_again(forward):
    registry.unregister("f")
    return planted(forward)


def test_each_kind_of_site_of_a_model_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr("experiments.training.activation_check.check_site", lambda _, site, *rest: tried.append(site))
    resnet18(CheckedActivations(ActivationFactory("prelu"), "float32", CPU), num_classes=5, width=2)
    assert [site.channels for site in tried] == [2, 4, 8, 16]


def test_a_site_that_the_activation_cannot_serve_is_refused_while_the_model_is_built():
    eight = planted(lambda self, z: self.a.view(-1, 1, 1) * z, lambda: nn.Parameter(torch.ones(8)))
    check_activation(eight, "float32", CPU)
    with pytest.raises(BadInput, match=r"an input of shape .* with 2 channels in dimension 1"):
        resnet18(CheckedActivations(eight, "float32", CPU), num_classes=5, width=2)


def test_trying_changes_no_random_number_of_the_model():
    def weights(make):
        torch.manual_seed(0)
        return torch.cat([each.flatten() for each in resnet18(make, num_classes=5, width=2).parameters()])

    noisy = planted(lambda self, z: z + torch.randn_like(z) * 0 + self.a * 0, lambda: nn.Parameter(torch.randn(1)))
    assert torch.equal(weights(noisy), weights(CheckedActivations(noisy, "float32", CPU)))
