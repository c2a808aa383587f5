"""What an activation did to its inputs, as the ledger tells it."""

import pytest

from experiments.analysis.activity import CONSTANT_SCALE, LIKE_RELU, Activity, activity_of
from experiments.analysis.evidence import read_evidence
from tests.experiments.ledgers import row, write


def activity(tmp_path, rows):
    return activity_of(read_evidence(write(tmp_path / "ledger.csv", rows)).runs)


def test_it_is_the_median_over_the_finished_seeds_that_recorded_it(tmp_path):
    spreads = [0.01, 0.3, 0.02]
    rows = [row("carelu", seed, scale_spread=spread, flipped=0.5) for seed, spread in enumerate(spreads)]
    rows += [row("carelu", 3), row("carelu", 4, status="diverged", scale_spread=9.0)]
    assert activity(tmp_path, rows) == Activity(scale_spread=0.02, flipped=0.5)


def test_a_ledger_without_the_columns_has_none(tmp_path):
    assert activity(tmp_path, [row("carelu", 0)]) == Activity(None, None, None)


@pytest.mark.parametrize(
    ("spread", "flipped", "constant"),
    [
        (CONSTANT_SCALE * 0.9, 0.0, True),
        (CONSTANT_SCALE * 1.1, 0.0, False),
        (0.0, 0.2, False),  # whole layers in which the negative side wins
        (None, None, False),
    ],
)
def test_the_scale_is_constant_where_it_hardly_varies_and_no_input_flips(spread, flipped, constant):
    assert Activity(spread, flipped, 0.3).constant_scale is constant


@pytest.mark.parametrize(
    ("distance", "flipped", "like"),
    [
        (0.0, None, True),
        (LIKE_RELU * 1.1, None, False),
        (0.18, None, False),
        (0.0, 0.3, False),
        (None, None, False),
    ],
)
def test_an_activation_is_like_relu_where_its_response_is(distance, flipped, like):
    assert Activity(None, flipped, distance).like_relu is like


def test_gelu_on_inputs_of_size_20_is_like_relu_and_on_inputs_of_order_1_it_is_not():
    import torch
    from torch.nn import functional as F

    def distance(size):
        z = size * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        return ((F.gelu(z) - F.relu(z)).norm() / F.relu(z).norm()).item()

    assert Activity(response_distance=distance(20)).like_relu
    assert not Activity(response_distance=distance(1)).like_relu
