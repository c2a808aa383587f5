"""The table of times to a verdict: what it holds, and when there is none."""

import pytest

from tests.experiments.ledgers import cells, grid, tables_of

SEEDS = range(5)


def test_it_shows_when_each_comparison_was_decided(tmp_path):
    rows = grid(["relu", "carelu", "gelu"], SEEDS, effects={"carelu": 9.0})
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["time_to_verdict"])
    assert list(found) == ["carelu", "gelu"]
    assert (found["carelu"]["verdict"].text, found["carelu"]["pairs"].value) == ("better", 4)
    assert found["carelu"]["hours"].text == "0.89"  # 4 pairs of runs of 400 seconds
    assert (found["carelu"]["pairs_needed"].text, found["carelu"]["hours_needed"].text) == ("–", "–")


def test_it_shows_what_an_undecided_comparison_took_and_should_still_take(tmp_path):
    rows = grid(["relu", "carelu", "gelu"], SEEDS, effects={"carelu": 9.0})
    gelu = cells(tables_of(tmp_path / "ledger.csv", rows)["time_to_verdict"])["gelu"]
    assert (gelu["verdict"].text, gelu["pairs"].value, gelu["pairs_made"].value) == ("undecided", 5, 5)
    needed = gelu["pairs_needed"].value
    assert needed > 5 and gelu["hours"].text == "1.11"
    assert gelu["hours_needed"].value == pytest.approx(needed * 2 * 400 / 3600)


def test_there_is_none_where_there_is_no_pair_or_another_metric_is_asked_for(tmp_path):
    rows = [*grid(["relu"], range(2)), *grid(["carelu"], range(2, 4))]
    assert "time_to_verdict" not in tables_of(tmp_path / "ledger.csv", rows)
    rows = [each | {"top5": 70.0} for each in grid(["relu", "carelu"], SEEDS, effects={"carelu": 9.0})]
    assert "time_to_verdict" in tables_of(tmp_path / "ledger.csv", rows)
    assert "time_to_verdict" not in tables_of(tmp_path / "ledger.csv", rows, metric="top5")
