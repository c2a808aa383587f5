"""The table of all values that a tuning tried."""

from tests.experiments.analysis.test_tuning import KEY, grid_of
from tests.experiments.ledgers import tables_of


def listed(file, rows):
    """The rows of the table, each as column → cell."""
    table = tables_of(file, rows, tuned=KEY)["cifar100_values_tuned"]
    return [dict(zip([column.key for column in table.columns], cells, strict=True)) for cells in table.rows]


def test_everything_that_was_tried_is_listed(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", grid_of(), tuned=KEY)["cifar100_values_tuned"]
    columns = [column.key for column in table.columns]
    listed = [dict(zip(columns, (cell.value for cell in each), strict=True)) for each in table.rows]
    assert [(each["activation"], each["tuned_value"], each["n"]) for each in listed] == [
        (act, value, 3) for act in ("relu", "carelu") for value in ("0.1", "0.2", "0.4")
    ]
    assert [each["activation"] + each["tuned_value"] for each in listed if each["chosen"] == "True"] == [
        "relu0.2",
        "carelu0.1",
    ]


def test_validation_and_test_are_the_means_over_the_seeds_that_finished(tmp_path):
    rows = grid_of()
    rows[3] = {**rows[3], "status": "diverged", "headline_value": None, "top1": None, "validation/top1": None}
    whole, broken = listed(tmp_path / "ledger.csv", rows)[:2]
    assert (whole["validation_mean"].text, whole["test_mean"].text) == ("50.10 ± 0.10", "40.50 ± 0.50")
    assert (whole["n"].text, broken["n"].text, broken["n"].value) == ("3", "2 of 3", 2)
    assert broken["validation_mean"].text == "52.15 ± 0.07"


def test_the_caption_says_that_the_test_set_took_no_part_in_the_choice(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", grid_of(), tuned=KEY)["cifar100_values_tuned"]
    assert "The test column took no part in it." in table.caption
    assert KEY in table.title
