"""The notes of a task's table on single test examples."""

import numpy as np

from experiments.analysis.evidence import read_evidence
from experiments.report.rendering import to_markdown
from experiments.report.tables import build_tables
from tests.experiments.analysis.test_examples import published, runs


def table(evidence):
    return next(each for each in build_tables(evidence) if each.name == "cifar100")


def notes_of(evidence):
    """The notes of its only comparison, below that of the chance level."""
    chance, *notes = table(evidence).blocks[0].notes
    assert chance.startswith("Chance: ")
    return notes


def test_a_note_gives_the_interval_and_the_parts_of_seeds_and_examples(tmp_path):
    (note,) = notes_of(published(tmp_path, *runs()))
    assert note.startswith("CAReLU, for new seeds and a new test set: +5.00 points (95 % interval +")
    assert "Standard error from the 3 seeds: 0." in note and "from the 200 test examples: " in note
    assert " % and " in note


def test_runs_with_equal_results_have_no_shares(tmp_path):
    rows, results = runs()
    for seed in range(3):
        results["carelu", seed] = results["relu", seed]
        rows[2 * seed + 1] = {**rows[2 * seed + 1], "headline_value": rows[2 * seed]["headline_value"]}
    (note,) = notes_of(published(tmp_path, rows, results))
    assert "0.00 points (95 % interval 0.00 to 0.00" in note and note.endswith("test examples: 0.00.")


def test_a_file_that_cannot_be_used_is_a_warning_and_the_table_is_made(tmp_path):
    rows, results = runs()
    results["carelu", 2] = b"cut off"
    note, warning = notes_of(published(tmp_path, rows, results))
    assert "from the 2 seeds" in note
    assert warning.startswith("Warning: ") and rows[5]["run_id"] in warning and "is damaged" in warning


def test_a_ledger_without_predictions_has_the_table_of_before(tmp_path):
    rows, results = runs()
    evidence = published(tmp_path, rows, results)
    with_notes = to_markdown(table(evidence))
    for file in (tmp_path / "predictions").iterdir():
        file.unlink()
    without = to_markdown(table(read_evidence(evidence.file)))
    lines = np.setdiff1d(with_notes.splitlines(), without.splitlines())
    assert [line[:30] for line in lines] == ["- CAReLU, for new seeds and a "]
