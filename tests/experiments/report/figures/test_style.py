"""The look of figures: colours that can be read on light and dark, labels that keep apart."""

import numpy as np
import pytest

from carelu import activation_names
from experiments.report.figures.style import KNOWN, looks, short, spread, text_width

LIGHT, DARK = "#ffffff", "#1a1e24"
"""The page's cards; the second is --card of the template's dark mode."""


def luminance(colour):
    """Relative luminance of WCAG 2.2."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_every_colour_can_be_read_on_light_and_dark():
    acts = [*activation_names(), *(f"carelu(gain={gain})" for gain in range(40))]
    for look in looks(acts).values():
        assert min(contrast(look.colour, ground) for ground in (LIGHT, DARK)) >= 3


def test_every_registered_activation_has_its_own_look():
    assert set(activation_names()) <= KNOWN.keys()
    assert len({look.colour for look in KNOWN.values()}) == len(KNOWN)


def oklab(colour):
    """Ottosson (2020): distances are as large as they look."""
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_cones = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    return to_lab @ np.cbrt(to_cones @ linear)


def test_colours_of_one_figure_can_be_told_apart():
    acts = [*activation_names(), "mine", *(f"carelu(gain={gain})" for gain in range(31))]
    colours = [oklab(look.colour) for look in looks(acts).values()]
    assert min(np.linalg.norm(one - other) for i, one in enumerate(colours) for other in colours[:i]) > 0.068


def test_an_unknown_activation_keeps_its_look_beside_known_ones_and_in_any_order():
    alone = looks(["relu", "mine"])["mine"]
    assert looks(["mine", *activation_names()])["mine"] == alone
    variants = [f"carelu(gain={gain})" for gain in range(12)]
    assert looks(variants) == looks(variants[::-1])


def test_a_look_does_not_depend_on_the_other_activations():
    assert looks(["carelu", "x"])["carelu"] == looks(["relu", "gelu", "carelu"])["carelu"]


def test_unknown_labels_get_different_looks():
    found = looks([f"carelu(gain={gain})" for gain in range(30)])
    assert len(set(found.values())) == 30


def test_labels_keep_apart_in_order_and_stay_where_there_is_room():
    assert spread([0.1, 0.9], [0.2, 0.2], 0, 1) == pytest.approx([0.1, 0.9])
    assert spread([0.5, 0.5], [0.2, 0.2], 0, 1) == pytest.approx([0.4, 0.6])
    assert spread([0.5, 0.5], [0.1, 0.3], 0, 1) == pytest.approx([0.4, 0.6])
    assert spread([1.0, 0.98], [0.2, 0.2], 0, 1) == pytest.approx([0.9, 0.7])
    assert spread([], [], 0, 1) == []


def test_many_labels_fill_the_room_from_the_bottom_and_go_beyond_the_top_alone():
    assert spread([0.5] * 4, [0.25] * 4, 0, 1) == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert spread([0.5] * 5, [0.25] * 5, 0, 1) == pytest.approx([0.125, 0.375, 0.625, 0.875, 1.125])


def test_text_is_measured_in_its_size():
    assert text_width("wide", 18) == pytest.approx(2 * text_width("wide", 9))
    assert text_width("wide\nnarrower than this", 9) == pytest.approx(text_width("narrower than this", 9))


def test_lines_differ_without_colour():
    for acts in (activation_names(), [f"carelu(gain={gain})" for gain in range(32)]):
        drawn = [(look.marker, look.line) for look in looks(acts).values()]
        assert len(set(drawn)) == len(drawn)
    paper = [looks(activation_names())[act].line for act in ("relu", "prelu", "gelu", "swish", "carelu")]
    assert len(set(paper)) == 5


def test_a_line_has_a_few_markers_whatever_its_length():
    look = looks(["carelu"])["carelu"]
    assert [look.line_options(points)["markevery"] for points in (2, 5, 60)] == [1, 1, 10]


def test_long_labels_are_broken_at_their_options():
    assert short("carelu(gain=2)") == "CAReLU (gain=2)"
    assert short("carelu(competition_input=pre_norm, gain=2)") == "CAReLU (\n  competition_input=pre_norm,\n  gain=2)"
