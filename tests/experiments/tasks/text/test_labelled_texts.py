"""Labelled texts from files: what is read, and what is refused with file, row and column."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from experiments.errors import BadInput
from experiments.tasks.text.labelled_texts import Columns, LabelledTexts, find_classes, read_rows, with_labels

COLUMNS = Columns(("text",), "label", unlabelled=None, drop_empty=False)


@pytest.fixture
def csv_file(tmp_path):
    def write(content, name="texts.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


@pytest.fixture
def parquet_file(tmp_path):
    def write(**columns):
        file = tmp_path / "texts.parquet"
        parquet.write_table(pa.table(columns), file)
        return file

    return write


def test_a_csv_file_may_quote_commas_and_line_breaks(csv_file):
    rows = read_rows(csv_file('text,label\n"one, two\nthree",1\nfour,0\n'), COLUMNS)
    assert rows.texts == (["one, two\nthree", "four"],)
    assert rows.labels == [1, 0]


def test_texts_that_look_like_numbers_stay_texts(csv_file):
    assert read_rows(csv_file("text,label\n007,a\n1e3,b\n"), COLUMNS).texts == (["007", "1e3"],)


def test_pairs_are_two_columns(parquet_file):
    file = parquet_file(premise=["p", "q"], hypothesis=["h", "i"], label=[0, 1])
    rows = read_rows(file, Columns(("premise", "hypothesis"), "label", None, False))
    assert rows.texts == (["p", "q"], ["h", "i"])


def test_rows_without_a_label_are_dropped_and_counted(parquet_file):
    file = parquet_file(text=["a", "b", "", "d"], label=[0, -1, -1, 1])
    rows = read_rows(file, Columns(("text",), "label", -1, False))
    assert (rows.texts, rows.labels, rows.numbers) == ((["a", "d"],), [0, 1], [1, 4])
    assert (rows.total, rows.unlabelled, rows.empty) == (4, 2, 0)


def test_rows_with_an_empty_text_are_dropped_where_that_is_asked_for(parquet_file):
    file = parquet_file(text=["a", " ", None, "d"], label=[0, 1, 0, 1])
    rows = read_rows(file, Columns(("text",), "label", None, True))
    assert (rows.texts, rows.empty) == ((["a", "d"],), 2)


@pytest.mark.parametrize(
    ("content", "parts_of_the_answer"),
    [
        ("text,label\na,0\n ,1\n", ["row 2", "'text'", "empty", "data.drop_empty=true"]),
        ("text,label\na,0\nb,\n", ["row 2", "'label'", "no label"]),
        ("text,label\na,0\nb,one\n", ["row 2", "'label'", "mixes numbers and names", "'one'"]),
        ("text,label\na,yes\nb,no\nc,3\n", ["row 3", "mixes numbers and names"]),
        ("txet,label\na,0\n", ["data.text", "did you mean txet"]),
        ("text,lable\na,0\n", ["data.label", "did you mean lable"]),
        ("text,label\na,0,1\n", ["cannot be read as CSV"]),
        (b"text,label\n\xff\xfe,0\n", ["cannot be read as CSV"]),
        ("text,text,label\na,b,0\n", ["several columns named 'text'", "data.text"]),
        ("text,label\n", ["no rows"]),
        ("", ["is empty", "text, label"]),
    ],
)
def test_a_bad_csv_file_is_answered_with_file_and_place(csv_file, content, parts_of_the_answer):
    file = csv_file(content)
    with pytest.raises(BadInput) as caught:
        read_rows(file, COLUMNS)
    for part in [str(file), *parts_of_the_answer]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "parts_of_the_answer"),
    [
        ({"text": [1, 2], "label": [0, 1]}, ["'text' holds int64, not text"]),
        ({"text": ["a", "b"], "label": [0.5, 1.0]}, ["'label' holds double", "whole numbers or names"]),
        ({"text": ["a", None], "label": [0, 1]}, ["row 2", "'text'", "empty"]),
        ({"text": ["a", "b"], "label": [0, None]}, ["row 2", "no label"]),
    ],
)
def test_a_bad_parquet_file_is_answered_with_file_and_place(parquet_file, columns, parts_of_the_answer):
    file = parquet_file(**columns)
    with pytest.raises(BadInput) as caught:
        read_rows(file, COLUMNS)
    for part in [str(file), *parts_of_the_answer]:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["texts.csv", "texts.parquet"])
def test_a_missing_or_damaged_file_is_named(csv_file, tmp_path, name):
    with pytest.raises(BadInput, match="does not exist"):
        read_rows(tmp_path / name, COLUMNS)
    file = csv_file(b"PAR1 and then nothing\x00", "texts.parquet")
    with pytest.raises(BadInput, match="cannot be read as Parquet"):
        read_rows(file, COLUMNS)


def test_labels_are_names_or_their_numbers(csv_file):
    named = read_rows(csv_file("text,label\na,no\nb,yes\n"), COLUMNS)
    numbered = read_rows(csv_file("text,label\na,0\nb,1\n", "numbered.csv"), COLUMNS)
    for rows in (named, numbered):
        assert with_labels([rows], ["no", "yes"], "label").labels.tolist() == [0, 1]


def test_classes_are_found_in_the_labels_and_sorted_as_what_they_are(csv_file):
    rows = read_rows(csv_file("text,label\na,10\nb,9\nc,10\n"), COLUMNS)
    assert find_classes([rows]) == ["9", "10"]
    assert with_labels([rows], ["9", "10"], "label").labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "answer"),
    [
        (
            [0, 2],
            ["no", "yes"],
            r"row 2: column 'label' has the label 2, .* accepted: no, yes, or their numbers 0 to 1",
        ),
        ([0, -1], ["no", "yes"], "row 2: .* the label -1"),
        ([9, 1], ["9", "10"], "row 2: .* the label 1, which is out of range; accepted: 9, 10"),
        (["no", "maybe"], ["no", "yes"], "the label 'maybe'"),
    ],
)
def test_a_label_out_of_range_is_named_with_its_row(parquet_file, labels, classes, answer):
    rows = read_rows(parquet_file(text=["a", "b"], label=labels), COLUMNS)
    with pytest.raises(BadInput, match=answer):
        with_labels([rows], classes, "label")


def test_a_held_out_part_shares_no_row_with_the_rest():
    texts = LabelledTexts(([str(i) for i in range(20)],), np.arange(20))
    rest, held = texts.split(5)
    assert len(held) == 5
    assert sorted([*rest.labels, *held.labels]) == list(range(20))
    assert held.texts[0] == [str(label) for label in held.labels]
    assert texts.split(5)[1].texts == held.texts
    with pytest.raises(ValueError, match="below 20"):
        texts.split(20)
