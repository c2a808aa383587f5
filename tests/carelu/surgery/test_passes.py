import pytest
import torch
from torch import nn
from torch.nn import functional as F

from carelu.surgery.passes import call, difference, results, undisturbed


class Echo(nn.Module):
    def forward(self, *args, **kwargs):
        return {"args": len(args), "names": sorted(kwargs)}


@pytest.mark.parametrize(
    ("inputs", "args", "names"),
    [(torch.zeros(1), 1, []), ((1, 2), 2, []), ([1, 2], 1, []), ({"a": 1, "b": 2}, 0, ["a", "b"])],
)
def test_inputs_are_passed_as_their_type_says(inputs, args, names):
    assert call(Echo(), inputs) == {"args": args, "names": names}


class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(4), nn.Dropout()
        self.attention = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True)

    def forward(self, z):
        z = F.dropout(self.drop(self.norm(z)), 0.5, self.training)[None]
        attended = F.scaled_dot_product_attention(z, z, z, None, 0.5 if self.training else 0.0)
        return self.attention(z, z, z)[0] + attended


def test_training_and_evaluation_agree_without_dropout_and_batch_statistics():
    model, z = Random().train(), torch.randn(6, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = results(model, z, training=True, gradients=True)
    evaluated = results(model, z, training=False, gradients=False)

    largest, _ = difference(evaluated, trained)
    assert largest < 1e-5
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_buffers_that_a_pass_changes_are_put_back():
    model = nn.Module()
    model.register_buffer("count", torch.zeros(1))
    with undisturbed(model, training=True):
        model.count += 1
    assert model.count == 0


def test_buffers_that_a_pass_exchanges_are_put_back_with_what_it_noted_of_them():
    model = nn.Module()
    model.register_buffer("cache", torch.zeros(1))
    model.length, before = 1, model.cache
    with undisturbed(model, training=True):
        model.cache = torch.ones(2)
        model.register_buffer("new", torch.ones(2))
        model.length = 2
    assert model.cache is before and model.cache == 0 and model.length == 1 and not hasattr(model, "new")


def test_differences_are_relative_and_a_missing_value_counts():
    a = {"x": torch.tensor([2.0, 4.0])}
    assert difference(a, {"x": torch.tensor([2.0, 5.0])})[0] == pytest.approx(0.25)
    assert difference(a, {"x": torch.tensor([2.0, float("nan")])})[0] == float("inf")
    assert difference(a, {"y": torch.tensor([2.0, 4.0])})[0] == 0  # the first results, whatever their names
    assert difference(a, {"x": torch.zeros(3)}) is None
