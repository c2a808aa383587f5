"""Looking a metric up by the task and the column of a ledger."""

import pytest

from experiments.analysis.metrics import describe_metric, find_metric
from experiments.errors import BadInput
from experiments.record.row import Row
from tests.experiments.ledgers import row


def test_a_metric_of_a_named_set_is_the_metric_with_the_set_in_its_title():
    metric = describe_metric("superres", "set5/psnr_y")
    assert metric.heading == "PSNR (luma) on set5, dB"
    assert (metric.higher_is_better, metric.best_possible) == (True, None)
    assert not describe_metric("text", "validation/loss").higher_is_better


def test_an_unknown_metric_is_answered_with_the_known_ones_of_its_task():
    with pytest.raises(BadInput, match=r"'top2'.*top1") as caught:
        describe_metric("cifar100", "top2")
    assert "psnr" not in str(caught.value)


@pytest.mark.parametrize("name", ["scale_spread", "flipped", "response_distance"])
def test_what_is_measured_of_the_activations_is_a_column_of_numbers_but_no_metric_to_compare(name):
    result = row(act="carelu", **{name: 0.25})
    assert Row.from_result({**result, "reason": ""}).metrics[name] == 0.25
    assert find_metric("cifar100", name) is None
    with pytest.raises(BadInput, match=f"'{name}'.*top1"):
        describe_metric("cifar100", name)
