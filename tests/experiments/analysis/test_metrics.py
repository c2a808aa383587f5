"""Looking a metric up by the task and the column of a ledger."""

import pytest

from experiments.analysis.metrics import describe_metric, difference_unit, find_metric, margin_of
from experiments.configuration.task_spec import spec_of
from experiments.errors import BadInput
from experiments.record.row import Row
from tests.experiments.ledgers import row


def test_a_metric_of_a_named_set_is_the_metric_with_the_set_in_its_title():
    metric = describe_metric("superres", "set5/psnr_y")
    assert metric.heading == "PSNR (luma) on set5, dB"
    assert (metric.higher_is_better, metric.best_possible) == (True, None)
    assert describe_metric("superres", "psnr_y").heading == "PSNR (luma), dB"
    assert not describe_metric("text", "validation/loss").higher_is_better


def test_an_unknown_metric_is_answered_with_the_known_ones_of_its_task():
    with pytest.raises(
        BadInput, match=r"metric of task=cifar100.*'top2'.*known \(.*cifar100\.spec\): top1, top5"
    ) as caught:
        describe_metric("cifar100", "top2")
    assert "psnr" not in str(caught.value)


def test_a_difference_of_percentages_is_in_points_and_of_others_in_their_unit():
    assert difference_unit(describe_metric("cifar100", "top1")) == "points"
    assert difference_unit(describe_metric("superres", "psnr_y")) == "dB"


def test_the_margin_is_that_of_the_headline_on_every_set():
    margin = spec_of("superres").margin
    assert margin_of("superres", "psnr_y") == margin_of("superres", "validation/psnr_y") == margin > 0
    assert margin_of("superres", "ssim_y") is None


def test_a_task_or_a_metric_that_is_not_known_here_has_no_description():
    assert find_metric("another", "top1") is find_metric("cifar100", "psnr_y") is None
    assert find_metric("superres", "set5/psnr_y") == describe_metric("superres", "psnr_y")


@pytest.mark.parametrize("name", ["scale_spread", "flipped", "response_distance"])
def test_what_is_measured_of_the_activations_is_a_column_of_numbers_but_no_metric_to_compare(name):
    result = row(act="carelu", **{name: 0.25})
    assert Row.from_result({**result, "reason": ""}).metrics[name] == 0.25
    assert find_metric("cifar100", name) is None
    with pytest.raises(BadInput, match=f"'{name}'.*top1"):
        describe_metric("cifar100", name)
