import copy
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import carelu
from carelu import (
    ActivationFactory,
    CAReLU,
    PReLU,
    activation_modules,
    activation_names,
    activation_options,
    create_activation,
    is_activation,
    register,
    registry,
)
from carelu.registry import activation_class, unregister

IMAGE_SITE = {"channels": 4, "sample_dims": (1, 2, 3), "pre_norm": True}
TOKEN_SITE = {"channels": 5, "sample_dims": (2,)}

every_activation = pytest.mark.parametrize("name", activation_names())


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def activate(module: nn.Module, z: Tensor) -> Tensor:
    return module(z, z) if getattr(module, "needs_pre_norm", False) else module(z)


def disturb(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    return module


# What is registered


def test_comparison_activations_and_carelu_variants_are_registered():
    assert set(activation_names()) >= {
        *("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "swish", "mish"),
        *("carelu", "carelu_sign", "carelu_l1", "carelu_count", "carelu_pre_norm"),
    }
    assert activation_names() == sorted(activation_names())


def normal_distribution(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: max(x, 0.0) + 0.01 * min(x, 0.0),
    "prelu": lambda x: max(x, 0.0) + 0.25 * min(x, 0.0),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
    "gelu": lambda x: x * normal_distribution(x),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "carelu": lambda x: max(x, 0.0),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_equals_its_formula(name):
    z = torch.linspace(-5, 5, 21, dtype=torch.float64)[None]

    output = create_activation(name)(z)

    rel = 1e-6 if name == "carelu" else 1e-10  # its β is a float32 parameter
    assert output[0].tolist() == pytest.approx([FORMULAS[name](x) for x in z[0].tolist()], rel=rel, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("carelu", {}),
        ("carelu_sign", {"alpha": 2.0, "beta": -1.0}),
        ("carelu_l1", {"competition": "l1"}),
        ("carelu_count", {"competition": "count"}),
        ("carelu_pre_norm", {"competition_input": "pre_norm"}),
    ],
)
def test_carelu_variant_differs_from_carelu_in_its_named_options_only(name, differs):
    assert activation_options(name) == {**activation_options("carelu"), **differs}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("relu", {}),
        ("leaky_relu", {"negative_slope": 0.01}),
        ("prelu", {"init": 0.25}),
        ("elu", {"alpha": 1.0}),
        ("selu", {}),
        ("gelu", {"approximate": "none"}),
        ("swish", {}),
        ("mish", {}),
    ],
)
def test_options_of_an_activation_leave_out_what_its_site_sets(name, options):
    assert activation_options(name) == options


def test_option_given_takes_the_place_of_the_default():
    assert create_activation("leaky_relu", negative_slope=0.3)(torch.tensor(-1.0)).item() == pytest.approx(-0.3)
    assert create_activation("carelu_l1", competition="count").competition == "count"
    assert create_activation("prelu", init=0.1).weight.item() == pytest.approx(0.1)


# Every activation


@every_activation
def test_every_activation_goes_forward_and_backward(name):
    module = ActivationFactory(name)(**IMAGE_SITE)
    z = random(3, 4, 5, 5).requires_grad_()

    output = activate(module, z)
    output.sum().backward()

    assert output.shape == z.shape
    assert output.isfinite().all()
    assert z.grad.isfinite().all() and z.grad.any()
    for parameter in module.parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any()


@every_activation
def test_every_activation_keeps_its_input(name):
    z = random(3, 4, 5, 5)
    before = z.clone()

    activate(ActivationFactory(name)(**IMAGE_SITE), z)

    assert torch.equal(z, before)


@every_activation
def test_every_activation_keeps_the_dtype_of_its_input(name):
    module = ActivationFactory(name)(**IMAGE_SITE)

    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        assert activate(module, random(3, 4, 5, 5, dtype=dtype)).dtype == dtype


@every_activation
def test_every_activation_is_copied_with_its_own_parameters(name):
    z = random(3, 4, 5, 5)
    module = ActivationFactory(name)(**IMAGE_SITE)
    before = activate(module, z).detach()

    twin = copy.deepcopy(module)
    assert torch.equal(activate(twin, z), before)
    disturb(twin)

    assert torch.equal(activate(module, z), before)


@every_activation
def test_every_activation_is_restored_by_its_state_dict(name):
    z = random(3, 4, 5, 5)
    factory = ActivationFactory(name)
    module, restored = disturb(factory(**IMAGE_SITE)), factory(**IMAGE_SITE)

    restored.load_state_dict(module.state_dict())

    assert torch.equal(activate(restored, z), activate(module, z))


@every_activation
def test_every_activation_takes_a_batch_of_no_inputs(name):
    module = ActivationFactory(name)(**IMAGE_SITE)
    z = torch.zeros(0, 4, 5, 5, requires_grad=True)

    output = activate(module, z)
    output.sum().backward()

    assert output.shape == z.grad.shape == (0, 4, 5, 5)
    for parameter in module.parameters():
        assert torch.equal(parameter.grad, torch.zeros_like(parameter))


@every_activation
def test_every_activation_treats_tokens_independently(name):
    module = disturb(ActivationFactory(name)(**TOKEN_SITE, pre_norm=True))
    tokens = random(2, 3, 5)

    together = activate(module, tokens)

    for position in range(3):
        torch.testing.assert_close(
            activate(module, tokens[:, position : position + 1]), together[:, position : position + 1]
        )


# Sites


def test_factory_builds_a_new_module_with_its_own_parameters_each_call():
    factory = ActivationFactory("carelu")

    first, second = factory(**IMAGE_SITE), factory(**IMAGE_SITE)

    assert first is not second
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    disturb(first)
    assert second.alpha.item() == 0


def test_prelu_has_one_slope_per_channel_of_an_image():
    module = ActivationFactory("prelu")(channels=4, sample_dims=(1, 2, 3))
    slopes = torch.tensor([0.1, 0.2, 0.3, 0.4])
    with torch.no_grad():
        module.weight.copy_(slopes)
    z = random(3, 4, 5, 5)

    expected = z.clamp(min=0) + slopes.view(1, 4, 1, 1) * z.clamp(max=0)

    torch.testing.assert_close(module(z), expected)


def test_prelu_has_one_slope_per_feature_of_a_token():
    module = ActivationFactory("prelu")(**TOKEN_SITE)
    slopes = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    with torch.no_grad():
        module.weight.copy_(slopes)
    z = random(2, 3, 5)

    expected = z.clamp(min=0) + slopes * z.clamp(max=0)

    torch.testing.assert_close(module(z), expected)


def test_prelu_outside_a_site_has_one_slope():
    assert create_activation("prelu").weight.shape == (1,)


def test_carelu_of_a_token_site_competes_over_the_features():
    z = random(2, 3, 5)

    at_site = disturb(ActivationFactory("carelu")(**TOKEN_SITE))

    assert torch.equal(at_site(z), disturb(CAReLU(over="feature"))(z))


def test_carelu_of_an_image_site_competes_over_the_whole_image():
    z = random(2, 4, 5, 5)

    at_site = disturb(ActivationFactory("carelu")(channels=4, sample_dims=(1, 2, 3)))

    assert torch.equal(at_site(z), disturb(CAReLU(over="sample"))(z))


def test_over_chosen_by_the_user_is_kept_at_a_site():
    assert ActivationFactory("carelu", over="channel")(**IMAGE_SITE).over == "channel"
    assert ActivationFactory("carelu", over=(1,))(**IMAGE_SITE).over == (1,)


def test_pre_norm_carelu_is_refused_where_nothing_is_normalised():
    factory = ActivationFactory("carelu_pre_norm")

    with pytest.raises(ValueError, match="competition_input='pre_norm'"):
        factory(**TOKEN_SITE)


# Mistakes in a configuration


def test_unknown_name_is_answered_with_near_matches():
    with pytest.raises(ValueError, match=r"'cralu'; did you mean .*'carelu'"):
        create_activation("cralu")
    with pytest.raises(ValueError, match="did you mean 'swish'"):
        activation_options("swich")


def test_unknown_name_is_answered_with_all_that_are_registered():
    with pytest.raises(ValueError) as error:
        ActivationFactory("zzz")

    assert "did you mean" not in str(error.value)
    assert all(name in str(error.value) for name in activation_names())


def test_unknown_option_is_answered_with_near_matches():
    with pytest.raises(ValueError, match=r"'carelu' has no option 'competiton'; did you mean .*'competition'"):
        ActivationFactory("carelu", competiton="l1")


def test_activation_without_options_says_so():
    with pytest.raises(ValueError, match="'relu' takes no options, got 'alpha'"):
        ActivationFactory("relu", alpha=1.0)


@pytest.mark.parametrize("option", ["channels", "channel_dim"])
def test_what_the_site_sets_is_no_option(option):
    with pytest.raises(ValueError, match=f"no option '{option}'"):
        ActivationFactory("prelu", **{option: 2})


def test_value_out_of_range_is_refused_before_a_site_is_built():
    with pytest.raises(ValueError, match="gain="):
        ActivationFactory("carelu", gain=0.9)


# Adding an activation


@pytest.fixture
def cube():
    @register("cube", factor=2.0)
    class Cube(nn.Module):
        def __init__(self, factor: float = 1.0):
            super().__init__()
            self.factor = factor

        def forward(self, z: Tensor) -> Tensor:
            return self.factor * z**3

    yield Cube
    unregister("cube")


def test_one_class_adds_an_activation(cube):
    assert "cube" in activation_names()
    assert activation_options("cube") == {"factor": 2.0}
    assert ActivationFactory("cube")(**IMAGE_SITE)(torch.tensor(3.0)).item() == 54.0
    assert create_activation("cube", factor=1.0)(torch.tensor(3.0)).item() == 27.0
    assert is_activation(cube())


@pytest.fixture
def forgets(monkeypatch):
    """What a test registers is known until its end."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


def test_a_class_without_a_constructor_has_no_options(forgets):
    @register("square")
    class Square(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z * z

    assert activation_options("square") == {}
    assert ActivationFactory("square")(**IMAGE_SITE)(torch.tensor(3.0)).item() == 9.0
    assert create_activation("square")(torch.tensor(2.0)).item() == 4.0
    for option in ("args", "kwargs"):
        with pytest.raises(ValueError, match="'square' takes no options"):
            ActivationFactory("square", **{option: 1})


def test_collected_arguments_beside_options_are_no_options(forgets):
    @register("power")
    class Power(nn.Module):
        def __init__(self, exponent: float = 2.0, *args, **kwargs):
            super().__init__()
            assert (args, kwargs) == ((), {})
            self.exponent = exponent

        def forward(self, z: Tensor) -> Tensor:
            return z**self.exponent

    assert activation_options("power") == {"exponent": 2.0}
    assert ActivationFactory("power", exponent=3.0)(**IMAGE_SITE)(torch.tensor(2.0)).item() == 8.0


def test_unregistered_activation_is_unknown(cube):
    unregister("cube")

    assert "cube" not in activation_names()
    assert not is_activation(cube())
    with pytest.raises(ValueError, match="unknown activation 'cube'"):
        create_activation("cube")


def test_taken_name_is_refused_and_keeps_its_class(cube):
    with pytest.raises(ValueError, match="'cube' is registered already"):
        register("cube")(nn.Identity)

    assert type(create_activation("cube")) is cube


# Activations of a model


def test_activation_modules_lists_the_activations_of_a_model_by_name():
    model = nn.Sequential(nn.Linear(3, 3), CAReLU(), nn.Sequential(PReLU(), nn.Dropout()))

    assert [(name, type(module)) for name, module in activation_modules(model)] == [("1", CAReLU), ("2.0", PReLU)]


def test_torch_parent_of_an_activation_is_not_one_of_ours():
    assert is_activation(create_activation("relu"))
    assert not is_activation(nn.ReLU())


def test_factory_prints_what_it_builds():
    text = repr(ActivationFactory("leaky_relu", negative_slope=0.2))

    assert "leaky_relu" in text and "negative_slope=0.2" in text


@pytest.mark.slow
def test_importing_carelu_imports_nothing_of_the_suite():
    suite = ["torchvision", "hydra", "omegaconf", "experiments", "wandb", "datasets", "transformers"]
    program = f"import carelu, sys; print([name for name in {suite} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_misspelt_option_is_an_error_of_a_type_checker(tmp_path):
    if not importlib.util.find_spec("pyright"):
        pytest.skip("pyright is not installed")
    package = Path(carelu.__file__).parents[1]
    (tmp_path / "script.py").write_text("from carelu import CAReLU\n\nright = CAReLU(gain=3)\nwrong = CAReLU(gian=3)\n")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"include": ["script.py"], "extraPaths": [str(package)]}))

    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    (mistake,) = json.loads(done.stdout)["generalDiagnostics"]
    assert 'No parameter named "gian"' in mistake["message"]
    assert mistake["range"]["start"]["line"] == 3


@pytest.mark.parametrize("name", ["carelu", "carelu_l1", "prelu", "gelu", "relu", "swish", "mish", "elu", "selu"])
def test_every_class_takes_inplace_as_models_pass_it(name):
    z = random(3, 4)

    output = activation_class(name)(inplace=True)(z.clone())

    torch.testing.assert_close(output, create_activation(name)(z))
    assert "inplace" not in activation_options(name)
