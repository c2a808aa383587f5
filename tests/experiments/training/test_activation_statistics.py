"""What is recorded of the activations of a model."""

import pytest
import torch
from torch import nn

from carelu import ActivationFactory, CAReLU
from experiments.distributed.sharding import Shard
from experiments.training import activation_statistics
from experiments.training.activation_statistics import ActivationStatistics, summary


def images(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def measured(model, *inputs):
    statistics = ActivationStatistics(model)
    with statistics.measuring():
        for each in inputs:
            model(each)
    return statistics.result()


def one(name, **options):
    return nn.Sequential(ActivationFactory(name, **options)(4, (1, 2, 3)))


def test_each_parameter_is_recorded_by_its_mean():
    model = one("prelu")
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([0.25, 0.5, 0.75, 0.5]))
    assert measured(model, images(2, 4, 3, 3))["0"]["weight"] == 0.5


def test_relu_is_left_out():
    assert measured(one("relu"), images(2, 4, 3, 3)) == {}


@pytest.mark.parametrize("block", [1, 500, 2**16])
def test_share_and_scale_of_carelu_are_those_of_all_inputs_whatever_their_batches(monkeypatch, block):
    monkeypatch.setattr(activation_statistics, "_BLOCK", block)
    model = one("carelu", alpha=6.0, beta=-3.0)
    data = images(17, 4, 5, 5) + torch.linspace(-0.6, 0.5, 17).view(-1, 1, 1, 1)
    share = model[0].share(data).double()
    scale = model[0].scale(share).detach()
    expected = {
        **{"alpha": 6.0, "beta": -3.0, "share": share.mean(), "share_std": share.std(correction=0)},
        **{"scale": scale.mean(), "scale_std": scale.std(correction=0)},
        **{"scale_min": scale.min(), "scale_max": scale.max(), "flipped": (scale < 0).double().mean()},
        "response_distance": (model[0](data).detach() - data.relu()).norm() / data.relu().norm(),
    }
    assert 0 < expected["flipped"] < 1
    for batches in ([data], [data[:1], data[1:9], data[9:]]):
        values = measured(model, *batches)["0"]
        assert values == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-5)


def test_a_competition_over_the_batch_is_measured_over_the_whole_batch(monkeypatch):
    monkeypatch.setattr(activation_statistics, "_BLOCK", 1)
    model = nn.Sequential(CAReLU(over=(0, 1), alpha=2.0))
    data = images(8, 4)
    assert measured(model, data)["0"]["share"] == pytest.approx(float(model[0].share(data)))


def test_a_spread_that_is_tiny_beside_the_mean_is_not_lost_to_rounding():
    moments = activation_statistics._Moments()
    values = 1e6 + 1e-3 * images(4, 1000).double()
    for batch in values:
        moments = moments.merged(activation_statistics._Moments.of(batch))
    assert moments.std == pytest.approx(float(values.std(correction=0)), rel=1e-6)


def test_the_distance_is_that_of_the_response_from_relu_relative_to_relu():
    z = torch.tensor([[3.0, -4.0, 4.0, -3.0]])
    leaky = nn.Sequential(ActivationFactory("leaky_relu", negative_slope=0.1)(4, (1,)))
    assert measured(leaky, z)["0"] == pytest.approx({"response_distance": 0.5 / 5})
    small, large = (measured(one("gelu"), size * images(8, 4, 5, 5))["0"]["response_distance"] for size in (1, 20))
    assert small > 0.1
    assert large < 0.01
    assert measured(one("carelu"), images(8, 4, 5, 5))["0"]["response_distance"] == 0


def test_a_competition_before_normalisation_is_measured_there():
    module = CAReLU(competition_input="pre_norm", alpha=2.0)
    statistics = ActivationStatistics(nn.ModuleList([module]))
    z, before = images(3, 4), images(3, 4, seed=1) + 1
    with statistics.measuring():
        module(z, before)
    assert statistics.result()["0"]["share"] == pytest.approx(float(module.share(z, before).double().mean()))


def test_what_is_not_finite_is_not_recorded():
    values = measured(one("gelu"), -torch.ones(2, 4, 3, 3))  # ReLU's response is 0
    assert values == {}


def test_measuring_leaves_outputs_and_modules_as_they_are():
    model = one("carelu", alpha=1.0)
    data = images(3, 4, 5, 5)
    expected = model(data)
    statistics = ActivationStatistics(model)
    with pytest.raises(RuntimeError, match="stopped"), statistics.measuring():
        assert torch.equal(model(data), expected)
        raise RuntimeError("stopped")
    assert not model[0]._forward_hooks


def test_processes_together_record_what_one_records(monkeypatch):
    model = one("carelu", alpha=6.0, beta=-3.0)
    batches = images(3, 6, 4, 5, 5) + torch.tensor([-0.5, 0.0, 0.4]).view(-1, 1, 1, 1, 1)
    alone = measured(model, *batches)["0"]
    own = [ActivationStatistics(model) for _ in range(4)]  # the last process has no batch
    for statistics, batch in zip(own, batches, strict=False):
        with statistics.measuring():
            model(batch)
    tables = []
    monkeypatch.setattr(activation_statistics, "all_reduce_sum", lambda table: (tables.append(table), (table,))[1])
    for place, statistics in enumerate(own):
        statistics.result(Shard(place, 4))
    total = sum(tables)
    monkeypatch.setattr(activation_statistics, "all_reduce_sum", lambda table: (total,))
    together = own[3].result(Shard(3, 4))
    assert together["0"] == pytest.approx(alone, rel=1e-12)


def test_a_summary_has_the_middle_layer_and_the_mean_share_of_flips():
    layers = {
        "a": {"scale": -2.0, "scale_std": 0.2, "flipped": 1.0, "response_distance": 0.3},
        "b": {"scale": 1.0, "scale_std": 0.3, "flipped": 0.0, "response_distance": 0.1},
        "c": {"scale": 0.5, "scale_std": 0.0, "flipped": 0.5, "response_distance": 0.0},
    }
    assert summary(layers) == pytest.approx({"scale_spread": 0.1, "flipped": 0.5, "response_distance": 0.1})
    assert summary({"a": {"weight": 0.5}}) == {}
