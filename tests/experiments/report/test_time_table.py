"""The table of times to a verdict: what it holds, and when there is none."""

from tests.experiments.ledgers import cells, grid, tables_of

SEEDS = range(5)


def test_it_shows_when_each_comparison_was_decided(tmp_path):
    rows = grid(["relu", "carelu", "gelu"], SEEDS, effects={"carelu": 9.0})
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["time_to_verdict"])
    assert list(found) == ["carelu", "gelu"]
    assert (found["carelu"]["verdict"].text, found["carelu"]["pairs"].value) == ("better", 4)
    assert found["carelu"]["hours"].text == "0.89"  # 4 pairs of runs of 400 seconds
    undecided = found["gelu"]
    assert (undecided["verdict"].text, undecided["pairs"].value, undecided["hours"].value) == ("undecided", None, None)
    assert undecided["pairs_made"].value == 5


def test_there_is_none_where_nothing_is_decided_or_another_metric_is_asked_for(tmp_path):
    rows = grid(["relu", "carelu"], range(2))
    assert "time_to_verdict" not in tables_of(tmp_path / "ledger.csv", rows)
    rows = [each | {"top5": 70.0} for each in grid(["relu", "carelu"], SEEDS, effects={"carelu": 9.0})]
    assert "time_to_verdict" in tables_of(tmp_path / "ledger.csv", rows)
    assert "time_to_verdict" not in tables_of(tmp_path / "ledger.csv", rows, metric="top5")
