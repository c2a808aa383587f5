"""What is computed is what was stored: an upgrade of a dependency that changes results is noticed here."""

import json

import pytest
import torch

from experiments.training import optimizer as optimizers
from tests.golden import measured
from tests.golden.measured import CASES, FILE, differences, measure, name_of

STORED = json.loads(FILE.read_text(encoding="utf-8"))

QUICK = ("carelu",)
"""The activation that the fast tests try; the others are slow."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


def test_every_case_is_stored():
    assert list(STORED) == [name_of(case) for case in CASES]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[] if case[2] in QUICK else pytest.mark.slow, id=name_of(case)) for case in CASES],
)
def test_values_are_those_that_were_stored(cache, case):
    assert differences(STORED[name_of(case)], measure(case, cache), case[1]) == []


@pytest.fixture
def seen(cache):
    """What differs from the stored values in a case, as words like "loss"."""

    def see(*case):
        return [line.split(" is off")[0] for line in differences(STORED[name_of(case)], measure(case, cache), case[1])]

    return see


def test_an_initial_weight_one_per_cent_larger_is_seen(seen, monkeypatch):
    usual = torch.nn.init.orthogonal_
    monkeypatch.setattr(torch.nn.init, "orthogonal_", lambda weight, gain=1.0: usual(weight, 1.01 * gain))
    assert {"initial", "outputs"} <= {*seen("superres", "espcn", "relu")}


def test_a_gain_of_an_activation_one_per_cent_larger_is_seen(seen, monkeypatch):
    usual = measured.activation_factory
    monkeypatch.setattr(measured, "activation_factory", lambda config: usual(_with_gain(config, 1.01 * 1.5)))
    assert {"initial", "gradient"} <= {*seen("superres", "espcn", "carelu")}


def _with_gain(config, gain):
    act = config.act.model_copy(update={"options": {**config.act.options, "gain": gain}})
    return config.model_copy(update={"act": act})


def test_a_label_smoothing_a_twentieth_larger_is_seen(seen, monkeypatch):
    usual = torch.nn.functional.cross_entropy

    def smoother(*arguments, label_smoothing=0.0, **options):
        return usual(*arguments, label_smoothing=1.05 * label_smoothing, **options)

    monkeypatch.setattr(torch.nn.functional, "cross_entropy", smoother)
    assert "gradient" in seen("text", "bert", "relu")


def test_a_learning_rate_one_step_late_is_seen(seen, monkeypatch):
    usual = optimizers.learning_rate_factor
    monkeypatch.setattr(optimizers, "learning_rate_factor", lambda step, *rest: usual(max(0, step - 1), *rest))
    assert "learning rates" in seen("superres", "espcn", "relu")


def test_the_order_of_values_counts():
    one, other = (measured.digest({"w": torch.tensor(values)}) for values in ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]))
    assert differences({"initial": one}, {"initial": one}) == []
    assert len(differences({"initial": one}, {"initial": other})) == 1


def test_a_value_that_is_no_number_is_seen():
    assert differences({"loss": [1.0]}, {"loss": [float("nan")]})
