"""The simulation behind the table of docs/results-and-statistics.md on seeds and test examples."""

import numpy as np
import pytest

from scripts.simulate_examples import CASES, SAMPLES, coverage_table, table_row
from tests.conftest import ROOT


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}, {case.seeds} seeds, {case.examples}")
def test_the_true_difference_of_a_case_is_the_mean_over_many_test_sets(case):
    generator = np.random.default_rng(0)
    means, truths = zip(
        *((d.mean(), truth) for d, truth in (case.draw(generator, 8, 500) for _ in range(300))), strict=True
    )
    assert len({*truths}) == 1
    assert abs(np.mean(means) - truths[0]) < 4 * np.std(means) / np.sqrt(300)


FEW = [place for place, case in enumerate(CASES) if case.seeds * case.examples <= 150]


def test_the_table_has_every_case():
    lines = coverage_table(1).splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [case.name for case in CASES]
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", FEW)
def test_the_documentation_holds_what_the_command_prints(place):
    """For the cases that are soon computed; `python scripts/simulate_examples.py` prints all."""
    assert table_row(place, SAMPLES) in (ROOT / "docs/results-and-statistics.md").read_text(encoding="utf-8").split(
        "\n"
    )
