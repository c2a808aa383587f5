"""Time to verdict: the first number of pairs at which a comparison was decided, and the time of their runs."""

import pytest

from experiments.analysis.comparison import compare
from experiments.analysis.evidence import read_evidence
from experiments.analysis.time_to_verdict import time_to_verdict
from tests.experiments.ledgers import row, write

SPREAD = [0.05, -0.05, 0.02, -0.03, 0.01, 0.04, -0.02, 0.03]


def time_of(folder, differences, **changed):
    """Runs of ReLU take 1 hour and those of CAReLU 2; `changed` are columns of CAReLU's run with seed 0."""
    rows = []
    for seed, difference in enumerate(differences):
        rows.append(row("relu", seed, 40 + seed, wall_seconds=3600.0))
        rows.append(row("carelu", seed, 40 + seed + difference, wall_seconds=7200.0, **(changed if seed == 0 else {})))
    evidence = read_evidence(write(folder / "ledger.csv", rows))
    base, entry = compare(evidence, evidence.settings()[0], "top1", "relu")
    return time_to_verdict(entry, base, "top1")


def test_seeds_after_the_first_verdict_cost_nothing(tmp_path):
    time = time_of(tmp_path, [2 + each for each in SPREAD])
    assert (time.act, time.verdict.word, time.pairs, time.pairs_made) == ("carelu", "better", 4, 8)
    assert time.hours == pytest.approx(4 * (1 + 2))
    assert time.hours_needed is None


def test_a_verdict_that_later_seeds_take_back_was_given_all_the_same(tmp_path):
    time = time_of(tmp_path, [*(2 + each for each in SPREAD[:4]), -30.0, 30.0])
    assert (time.verdict.word, time.pairs, time.pairs_made) == ("better", 4, 6)


def test_what_is_undecided_has_all_its_pairs(tmp_path):
    time = time_of(tmp_path, [3.0, -3.0, 2.0, -2.0, 1.0])
    assert (time.verdict.word, time.pairs, time.pairs_made) == ("undecided", 5, 5)
    assert time.hours == pytest.approx(5 * 3)
    assert time.hours_needed == pytest.approx(time.verdict.seeds_needed * 3)


def test_pairs_too_few_for_an_interval_foretell_nothing(tmp_path):
    time = time_of(tmp_path, [3.0, -3.0, 2.0])
    assert (time.verdict.word, time.pairs, time.pairs_needed, time.hours_needed) == ("undecided", 3, None, None)


def test_two_runs_that_are_no_pair_cost_nothing(tmp_path):
    time = time_of(tmp_path, [2 + each for each in SPREAD], torch="2.12.0")
    assert (time.verdict.word, time.pairs, time.pairs_made, time.verdict.n) == ("better", 4, 7, 4)
    assert time.hours == pytest.approx(4 * 3)


def test_where_a_run_diverged_there_is_no_verdict_and_no_time(tmp_path):
    assert time_of(tmp_path, [2 + each for each in SPREAD], status="diverged") is None
