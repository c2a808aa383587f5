"""The confusion matrix and its scores, against values computed by hand."""

import csv

import pytest
import torch
from PIL import Image

from experiments.tasks.text import confusion

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
PREDICTIONS = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 0])
MATRIX = torch.tensor([[3, 1, 0], [0, 2, 1], [1, 0, 2]])


def test_a_row_is_the_true_class_and_a_column_the_predicted_one():
    assert torch.equal(confusion.confusion_matrix(LABELS, PREDICTIONS, 3), MATRIX)


def test_accuracy_is_the_share_of_the_diagonal():
    assert confusion.accuracy(MATRIX) == pytest.approx(70)


def test_macro_f1_is_the_mean_over_the_classes():
    # F1 = 2 TP / (2 TP + FP + FN): 6/8, 4/6, 4/6
    assert confusion.macro_f1(MATRIX) == pytest.approx(100 * (6 / 8 + 4 / 6 + 4 / 6) / 3)


def test_a_class_that_is_never_right_counts_as_0_and_one_that_never_occurs_not_at_all():
    matrix = torch.tensor([[2, 0, 0], [2, 0, 0], [0, 0, 0]])
    assert confusion.macro_f1(matrix) == pytest.approx(100 * (4 / 6 + 0) / 2)


def test_a_class_that_was_only_ever_guessed_counts_as_0():
    # F1: 2·2 / (2·2 + 0 + 1) and 0 / (0 + 1 + 0)
    assert confusion.macro_f1(torch.tensor([[2, 1], [0, 0]])) == pytest.approx(100 * (4 / 5 + 0) / 2)


def test_the_matrix_is_written_as_a_table_and_a_picture(tmp_path):
    files = confusion.write(MATRIX, ["entailment", "neutral", "contradiction"], tmp_path)
    assert [file.name for file in files] == ["confusion_matrix.png", "confusion_matrix.csv"]
    rows = list(csv.reader((tmp_path / "confusion_matrix.csv").read_text().splitlines()))
    assert rows[0] == ["true class", "entailment", "neutral", "contradiction"]
    assert rows[1] == ["entailment", "3", "1", "0"]
    assert Image.open(tmp_path / "confusion_matrix.png").size[0] > 300


def test_more_classes_than_a_picture_can_show_are_written_as_a_table_alone(tmp_path):
    files = confusion.write(torch.eye(40, dtype=torch.int64), [str(i) for i in range(40)], tmp_path)
    assert [file.name for file in files] == ["confusion_matrix.csv"]


def test_a_table_needs_one_name_a_class(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        confusion.write(torch.eye(40, dtype=torch.int64), [str(i) for i in range(39)], tmp_path)


def test_the_largest_picture_is_still_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(confusion, "LARGEST_PICTURE", 3)
    assert len(confusion.write(MATRIX, ["a", "b", "c"], tmp_path)) == 2


def test_a_cell_is_coloured_by_its_share_of_the_row():
    matrix = torch.tensor([[3, 1, 0], [0, 1, 1], [0, 0, 0]])
    figure = confusion.picture(matrix, ["$a$", "b", "c"])
    (axes,) = figure.axes
    (image,) = axes.images
    assert image.get_array().tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]
    assert image.get_clim() == (0, 1) and image.get_cmap().name == "Blues"
    inks = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_color() for text in axes.texts}
    assert [place for place, ink in inks.items() if ink == "white"] == [(0, 0)]  # readable on the dark colour alone
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    assert not any(label.get_parse_math() for label in labels)  # a class may be named $a$
    assert {(text.get_ha(), text.get_va()) for text in axes.texts} == {("center", "center")}
    assert {(label.get_rotation(), label.get_ha()) for label in axes.get_xticklabels()} == {(45, "right")}


def test_a_picture_grows_with_its_classes():
    sizes = [confusion.picture(torch.eye(n), ["a"] * n).get_size_inches().tolist() for n in (2, 12)]
    assert sizes == [pytest.approx([4.4, 4.4]), pytest.approx([11.4, 11.4])]


def test_counts_have_a_separator_of_thousands():
    (axes,) = confusion.picture(torch.tensor([[1234]]), ["a"]).axes
    assert [text.get_text() for text in axes.texts] == ["1,234"]


def test_the_picture_shows_every_count_with_the_names_of_true_and_predicted_classes():
    (axes,) = confusion.picture(MATRIX, ["entailment", "neutral", "contradiction"]).axes
    shown = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert shown == {(row, column): str(int(MATRIX[row, column])) for row in range(3) for column in range(3)}
    names = ["entailment", "neutral", "contradiction"]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert [label.get_text() for label in axes.get_xticklabels()] == names
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
