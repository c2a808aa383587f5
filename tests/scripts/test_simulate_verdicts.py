"""The simulation behind the tables of docs/results-and-statistics.md."""

import os
import subprocess
import sys

import numpy as np
import pytest

from experiments.analysis.verdict import LEVEL, judge
from scripts.simulate_verdicts import DISTRIBUTIONS, false_findings_with_t, simulate, t_test
from tests.conftest import ROOT


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_a_simulated_verdict_is_that_of_the_rule(truth):
    values = truth + DISTRIBUTIONS["normal"](np.random.default_rng(0), (20, 8))
    for each in values:
        looks = [judge(each[:n], 1.5) for n in range(4, 9)]
        stop = next((place for place, verdict in enumerate(looks) if verdict.decided), len(looks) - 1)
        rates = simulate(each[None], truth, 1.5)
        word = looks[stop].word
        assert rates.pairs == 4 + stop
        assert rates.different == (word in ("better", "worse"))
        assert rates.equivalent == (word == "equivalent")
        assert rates.missed == any(not look.low <= truth <= look.high for look in looks[: stop + 1])


def test_differences_have_mean_zero_and_standard_deviation_one():
    for draw in DISTRIBUTIONS.values():
        values = draw(np.random.default_rng(0), (400, 100))
        assert values.mean() == pytest.approx(0, abs=0.02) and values.std() == pytest.approx(1, abs=0.02)


def test_a_t_test_holds_its_level_at_fixed_pairs_and_not_at_every_look():
    values = DISTRIBUTIONS["normal"](np.random.default_rng(0), (4000, 20))
    assert t_test(values, 1.5, equivalence=False) == pytest.approx(0.05, abs=0.011)
    assert false_findings_with_t(values, first=3) > 0.15
    assert simulate(values, 0.0, 1.5).missed < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normal", "uniform", "skewed (gamma, shape 4)", "very skewed (exponential)"])
@pytest.mark.parametrize("truth", [0.0, 1.0, 2.0])
def test_the_interval_holds_the_true_difference_whenever_one_stops(name, truth):
    values = truth + DISTRIBUTIONS[name](np.random.default_rng(7), (20_000, 20))
    assert simulate(values, truth, 1.5).missed <= LEVEL


@pytest.mark.slow
def test_two_valued_differences_need_a_first_look_at_six_pairs():
    values = DISTRIBUTIONS["bimodal (1 or −1)"](np.random.default_rng(7), (20_000, 20))
    assert simulate(values, 0.0, 1.5, first=4).missed > 2 * LEVEL
    assert simulate(values, 0.0, 1.5, first=6).missed <= LEVEL


@pytest.mark.slow
def test_the_documentation_holds_what_the_command_prints():
    command = [sys.executable, "scripts/simulate_verdicts.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    page = (ROOT / "docs/results-and-statistics.md").read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr
    for table in done.stdout.strip().split("\n\n")[:3]:
        assert table in page
