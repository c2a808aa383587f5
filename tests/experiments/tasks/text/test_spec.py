"""What text classification tells of itself."""

from types import SimpleNamespace

import pytest
import torch

from experiments.configuration.composition import compose
from experiments.configuration.schema import validate
from experiments.tasks.text.spec import SPEC


def test_the_headline_and_the_margin_of_practical_equivalence():
    assert (SPEC.headline, SPEC.margin) == ("accuracy", 0.5)


def test_each_metric_has_its_unit_decimals_direction_and_best_possible_value():
    assert {
        name: (metric.unit, metric.decimals, metric.higher_is_better, metric.best_possible)
        for name, metric in SPEC.metrics.items()
    } == {
        "accuracy": ("%", 2, True, 100.0),
        "macro_f1": ("%", 2, True, 100.0),
        "loss": ("", 4, False, 0.0),
    }


@pytest.mark.parametrize(
    ("overrides", "defined"),
    [
        ([], {"data.validation": False, "data.held_out": False}),
        (["data.held_out=50"], {"data.validation": False, "data.held_out": True}),
        (["data.validation=dev.csv"], {"data.validation": True, "data.held_out": False}),
    ],
)
def test_a_file_or_rows_kept_aside_are_the_validation_set(overrides, defined):
    files = ["data=csv", "data.train=train.csv", "data.test=test.csv"]
    cfg, _ = compose(["task=text", *files, *overrides])
    assert validate(cfg).data.validation_keys() == defined


def test_a_benchmark_counts_the_tokens_of_a_batch_and_not_its_padding():
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert SPEC.benchmark.count(SimpleNamespace(mask=mask)) == 4
