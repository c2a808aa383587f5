"""Labels at the right of a panel."""

import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from experiments.report.figures.ends import height_for_labels, label_ends, space_for_labels
from experiments.report.figures.style import looks


@pytest.fixture
def axes():
    axes = Figure(figsize=(4, 2)).add_axes((0.1, 0.1, 0.6, 0.8))
    axes.plot([0, 10], [40.0, 50.0])
    return axes


def test_names_stand_in_their_colour_in_the_order_of_their_values_without_overlap(axes):
    acts = ["relu", "gelu", "carelu"]
    label_ends(axes, {"relu": 45.0, "gelu": 45.1, "carelu": 44.9}, looks(acts))
    texts = {text.get_text(): text for text in axes.texts}
    assert list(texts) == ["ReLU", "GELU", "CAReLU"]
    places = [texts[name].get_position()[1] for name in ("CAReLU", "ReLU", "GELU")]
    apart = height_for_labels(["relu"], 0.0) / (2 * 0.8)
    assert places[1] - places[0] >= apart - 1e-9
    assert places[2] - places[1] >= apart - 1e-9
    assert texts["GELU"].get_color() == looks(acts)["gelu"].colour


def test_a_name_with_room_is_level_with_its_value(axes):
    low, high = axes.get_ylim()
    label_ends(axes, {"relu": 45.0}, looks(["relu"]))
    assert axes.texts[0].get_position()[1] == pytest.approx((45.0 - low) / (high - low))


def test_labels_leave_the_limits_of_the_panel_alone(axes):
    limits = axes.get_xlim(), axes.get_ylim()
    label_ends(axes, {"relu": 45.0}, looks(["relu"]))
    assert (axes.get_xlim(), axes.get_ylim()) == limits


def test_a_label_has_the_marker_of_its_line(axes):
    label_ends(axes, {"relu": 45.0, "gelu": 46.0}, looks(["relu", "gelu"]))
    markers = {line.get_marker(): to_rgba(line.get_color()) for line in axes.lines if line.get_marker() != "None"}
    assert markers == {look.marker: to_rgba(look.colour) for look in looks(["relu", "gelu"]).values()}


def test_room_grows_with_the_longest_name_and_the_number_of_lines():
    assert space_for_labels(["relu", "leaky_relu"]) == space_for_labels(["leaky_relu"]) > space_for_labels(["relu"])
    assert height_for_labels(["relu"], usual=2.0) == 2.0
    many = [f"act{number}" for number in range(40)]
    assert height_for_labels(many, usual=2.0) == pytest.approx(40 * height_for_labels(["relu"], usual=0.0))
