"""Quality against cost."""

import pytest

from experiments.report.figures import cost as module
from tests.experiments.ledgers import grid, row
from tests.experiments.report.figures.test_benchmarks import benchmark
from tests.experiments.simulated import drawn

NAME = "cifar100_small_quality_against_cost"


def test_points_are_the_mean_of_the_ledger_and_the_time_ratio_of_the_benchmark(tmp_path):
    benchmark(tmp_path / "benchmarks", {"carelu": 1.02, "gelu": 1.5})
    rows = [row("relu", seed, 40.0 + seed, step_milliseconds=240.0 + seed) for seed in range(3)]
    rows += [row("gelu", seed, 41.0 + seed + 0.1 * seed, step_milliseconds=960.0) for seed in range(3)]
    figure = drawn(tmp_path / "ledger.csv", rows)[NAME]
    assert "ReLU 41.00 at 1.00, GELU 42.10 at 1.50" in figure.alt
    assert "the benchmark on AMD EPYC (2 threads) with the data cifar100-sample" in figure.caption


@pytest.mark.slow
def test_an_activation_that_the_benchmark_lacks_is_named(tmp_path):
    benchmark(tmp_path / "benchmarks", {"gelu": 1.5})
    caption = drawn(tmp_path / "ledger.csv", grid(("relu", "gelu", "elu"), range(2)))[NAME].caption
    assert "since the benchmark lacks them: ELU." in caption


def test_without_a_benchmark_nothing_is_drawn_and_the_caption_says_why(tmp_path):
    figure = drawn(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))[NAME]
    assert figure.files() == []
    assert "Not drawn: benchmarks/ beside the ledger has no benchmark of ResNet-18 w16" in figure.caption
    assert "scripts/benchmark_training.py --benchmark activations --task cifar100" in figure.caption


def test_the_cost_is_drawn_where_it_is_and_quartiles_are_a_line(tmp_path, monkeypatch):
    sheets, canvas = [], module.canvas
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    benchmark(tmp_path / "benchmarks", {"gelu": 1.5})
    drawn(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))
    (axes,) = sheets[0].panels
    ends = [list(line.get_xdata()) for line in axes.lines]
    assert [1.4, 1.6] in [[round(end, 6) for end in line] for line in ends if len(line) == 2]
