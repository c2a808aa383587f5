"""Means over runs for heat maps, and the names of their rows."""

import pytest

from experiments.report.figures.heat_maps import heat_maps, in_words, means


def test_means_are_over_the_runs_at_the_epochs_that_all_have():
    runs = [
        {0: {"a": {"x": 1.0}}, 1: {"a": {"x": 2.0}}, 2: {"a": {"x": 3.0}}},
        {0: {"a": {"x": 3.0}}, 2: {"a": {"x": 5.0}}},
    ]
    assert means(runs, dict) == {"x": {"a": {0: 2.0, 2: 4.0}}}


def test_a_layer_that_lacks_a_value_at_some_epoch_has_no_row():
    runs = [{0: {"a": {"x": 1.0}, "b": {"x": 1.0}}, 1: {"a": {"x": 2.0}, "b": {}}}]
    assert list(means(runs, dict)["x"]) == ["a"]
    assert means([{0: {"a": {"x": 1.0}}}], dict) == {}  # one epoch is no curve


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        (["net.blocks.0.act", "net.blocks.1.act"], ["blocks.0", "blocks.1"]),
        (["act"], ["act"]),
        ([f"blocks.{i}" for i in range(9)], ["first layer", "layer 9"]),
    ],
)
def test_rows_have_short_names(layers, names):
    drawn = heat_maps({"x": {layer: {0: 0.0, 1: 1.0} for layer in layers}})
    assert [label.get_text() for label in drawn.panels[0].get_yticklabels()] == names


@pytest.mark.parametrize(
    ("epochs", "named"), [((0, 13), ["0", "13"]), (range(30), ["0", "4", "8", "12", "16", "20", "24", "28"])]
)
def test_a_column_is_a_recorded_epoch_under_its_own_number(epochs, named):
    (axes,) = heat_maps({"x": {"a": {epoch: float(epoch) for epoch in epochs}}}).panels
    assert [label.get_text() for label in axes.get_xticklabels()] == named
    assert [list(epochs)[int(place)] for place in axes.get_xticks()] == list(map(int, named))


@pytest.mark.parametrize(("least", "largest", "offset"), [(1.0, 1.000012, "1"), (0.0, 0.000012, ""), (1.0, 1.2, "")])
def test_values_that_hardly_differ_are_labelled_by_their_distance_from_one_of_them(least, largest, offset):
    drawn = heat_maps({"x": {"a": {0: least, 1: largest}}})
    drawn.sheet.canvas.draw()
    (scale,) = drawn.panels[0].child_axes
    assert scale.yaxis.get_offset_text().get_text().partition("+")[2] == offset
    assert max(len(label.get_text()) for label in scale.get_yticklabels()) < 9


def test_the_words_are_the_values_at_the_last_epoch():
    said = in_words({"α": {"a": {0: 0.0, 1: 1.0}, "b": {0: 0.0, 1: -2.0}}})
    assert said == "Heat maps over the epochs, a row a layer (2 layers). At the end: α from −2.00 to 1.00."
