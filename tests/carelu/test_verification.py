import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu import CAReLU, replace_activations, verify

TOKENS = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def feed_forward(over=(-1,)):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), CAReLU(over=over), nn.Dropout(), nn.Linear(16, 8))


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), CAReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.mark.parametrize(("model", "inputs"), [(feed_forward(), TOKENS), (convolutional(), IMAGES)])
def test_a_sound_model_passes_every_check(model, inputs):
    result = verify(model, inputs)
    assert result.ok and len(result.checks) == 6 and set(result.checks.values()) == {"agrees"}
    assert set(result.calls.values()) == {1}


def problems(model, inputs, **options):
    result = verify(model, inputs, strict=False, **options)
    assert not result.ok
    with pytest.raises(ValueError, match="does not compute as it should"):
        verify(model, inputs, **options)
    return "\n".join(result.problems)


def test_tokens_that_compete_are_found():
    assert "1 mixes tokens or positions: its input is N×L×C" in problems(feed_forward(over="sample"), TOKENS)


def test_samples_that_compete_are_found():
    model = convolutional()
    model[2].over = (0, 1, 2, 3)
    found = problems(model, IMAGES)
    assert "2 mixes samples" in found
    assert "half a batch and the whole differ" in found


def test_a_fused_layer_that_passes_its_activation_by_is_found():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=nn.ReLU())
    replace_activations(layer)
    assert verify(layer, TOKENS).ok
    layer.activation_relu_or_gelu = 1
    found = problems(layer, TOKENS)
    assert "activation is not called in evaluation without gradients although training calls it" in found
    assert "training and evaluation differ" in found


class Forgetful(nn.Module):
    """Ignores one activation, and the result of another."""

    def __init__(self):
        super().__init__()
        self.linear, self.ignored, self.idle = nn.Linear(8, 8), CAReLU(over=(-1,)), CAReLU(over=(-1,))

    def forward(self, z):
        self.ignored(self.linear(z))
        return self.linear(z)


def test_activations_that_do_nothing_are_found():
    found = problems(Forgetful(), TOKENS)
    assert "idle is never called" in found
    assert "ignored.alpha gets no gradient" in found and "idle.beta gets no gradient" in found


class Moody(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.act = nn.Linear(8, 8), CAReLU(over=(-1,))

    def forward(self, z):
        z = self.act(self.linear(z))
        return z if self.training else z + 0.1


def test_a_difference_between_training_and_evaluation_is_found():
    assert "training and evaluation differ" in problems(Moody(), TOKENS)


class Auxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = feed_forward(), feed_forward()

    def forward(self, z):
        z = self.body(z)
        return (z, self.head(z)) if self.training else z


def test_a_head_that_only_training_has_is_no_problem():
    assert verify(Auxiliary(), TOKENS).ok


def test_the_model_is_left_as_it_was():
    model = convolutional().train()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()

    verify(model, IMAGES)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and not model[1].training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all("forward" not in vars(module) for module in model.modules())


def test_a_batch_that_comes_second_or_not_at_all_is_served():
    assert verify(feed_forward(), TOKENS, batch_dim=1).ok
    assert (
        verify(feed_forward(), TOKENS, batch_dim=None)
        .checks["half a batch gives half of the result"]
        .startswith("skipped")
    )


def test_a_model_without_activations_of_this_library_is_refused():
    with pytest.raises(ValueError, match="call replace_activations first"):
        verify(nn.Sequential(nn.ReLU()), TOKENS)


@pytest.mark.slow
def test_the_compiled_model_is_compared(monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))  # the usual one takes long

    class Differs(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = feed_forward()

        def forward(self, z):
            z = F.relu(self.body(z))
            return z + 1 if torch.compiler.is_compiling() else z

    assert "the compiled model and evaluation differ" in problems(Differs(), TOKENS, compiled=True)


def test_a_forward_that_was_exchanged_before_stays():
    model = feed_forward()
    own = model[1].forward
    model[1].forward = exchanged = lambda z: own(z)
    assert verify(model, TOKENS).ok
    assert vars(model[1])["forward"] is exchanged
