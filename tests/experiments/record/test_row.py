"""A row of a ledger: its columns, what each accepts, and its way from a result to text and back."""

import pytest

from experiments.record.row import ADDED, COLUMNS, Damaged, Row, check_text, metric_columns, shown
from tests.experiments.ledgers import row


def result(**fields):
    return {**row(), "reason": "", **fields}


def test_the_columns_are_those_of_the_contract():
    contract = (
        "run_id, status, task, model, data, recipe, act, overrides, seed, headline_metric, headline_value, parameters, "
        "epochs, steps, wall_seconds, step_milliseconds, peak_memory_mib, device, threads, precision, config_hash, "
        "code_hash, activation_hash, data_fingerprint, kernel, git_commit, git_dirty, python, torch, numpy, "
        "transformers, tokenizers, processor, command, finished_at"
    )
    assert ", ".join(COLUMNS) == contract


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"seed": "one"}, "'seed' is 'one'"),
        ({"overrides": [1]}, r"'overrides' is '\[1\]'"),
        ({"threads": 1.5}, "'threads' is '1.5'"),
        ({"headline_value": None}, "'headline_value' is ''"),
        ({"headline_value": float("nan")}, "'headline_value' is 'nan'"),
        ({"finished_at": "2026-01-31"}, "'finished_at' is '2026-01-31'"),
        ({"model": " "}, "'model' is ' '"),
    ],
)
def test_a_result_that_is_no_row_is_refused_with_column_and_value(fields, named):
    with pytest.raises(Damaged, match=named):
        Row.from_result(result(**fields))


@pytest.mark.parametrize("column", [column for column in COLUMNS if column not in ("git_dirty", *ADDED)])
def test_a_result_without_a_column_is_refused(column):
    made = result()
    del made[column]
    with pytest.raises(Damaged, match=f"'{column}' is missing"):
        Row.from_result(made)


def test_a_result_of_an_older_version_has_empty_cells_for_what_it_did_not_record():
    made = {key: value for key, value in result().items() if key not in ADDED}
    assert {getattr(Row.from_result(made), column) for column in ADDED} == {""}


def test_a_metric_that_is_not_finite_has_no_cell():
    assert Row.from_result(result(loss=float("inf"), top5=70.0)).metrics == {"top1": 40.0, "top5": 70.0}


def test_its_text_gives_the_same_row():
    made = Row.from_result(result(threads=None, overrides={"b": 1, "a": None}, top5=70, remark="by hand"))
    cells = made.cells()
    assert "threads" not in cells
    assert Row.from_cells({**dict.fromkeys(COLUMNS, ""), **cells}, ["top1", "top5"]) == made


def test_only_a_run_that_did_not_finish_may_have_no_headline():
    lost = Row.from_result(result(status="diverged", headline_value=None))
    assert lost.headline_value is None


def test_a_metric_is_a_further_column_with_a_number_in_any_row():
    header = [*COLUMNS, "top1", "headline_epoch", "remark"]
    cells = dict.fromkeys(header, "1") | {"remark": "by hand"}
    assert metric_columns(header, [{**cells, "top1": ""}, cells]) == ["top1"]


def test_a_row_keeps_its_place_in_the_file_without_being_another_row():
    first, second = (Row.from_cells(Row.from_result(result(threads=2)).cells(), ["top1"], line) for line in (2, 3))
    assert (first.line, second.line) == (2, 3)
    assert first == second


@pytest.mark.parametrize("character", ["\0", "\ufffd", "\udc80"])
def test_a_cell_that_is_not_text_is_named_by_its_column(character):
    with pytest.raises(Damaged, match=r"column 'device' is .* not text in UTF-8"):
        check_text({"model": "bert", "device": f"A{character}D"})


def test_a_long_cell_is_quoted_in_part():
    assert shown("a" * 60) == repr("a" * 60)
    assert shown("a" * 61) == repr("a" * 60 + "…")
