"""Quality against cost."""

from tests.experiments.ledgers import row
from tests.experiments.simulated import drawn


def test_points_are_the_mean_and_the_median_time_ratio(tmp_path):
    rows = [row("relu", seed, 40.0 + seed, step_milliseconds=240.0 + seed) for seed in range(3)]
    rows += [row("gelu", seed, 41.0 + seed + 0.1 * seed, step_milliseconds=480.0 + 2 * seed) for seed in range(3)]
    alt = drawn(tmp_path / "ledger.csv", rows)["cifar100_small_quality_against_cost"].alt
    assert "ReLU 41.00 at 1.00, GELU 42.10 at 2.00" in alt
