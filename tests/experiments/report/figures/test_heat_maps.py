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


def test_the_words_are_the_values_at_the_last_epoch():
    said = in_words({"α": {"a": {0: 0.0, 1: 1.0}, "b": {0: 0.0, 1: -2.0}}})
    assert said == "Heat maps over the epochs, a row a layer (2 layers). At the end: α from −2.00 to 1.00."
