"""The notes on the columns of a task's table."""

import pytest

from experiments.report.legends import activity_legend, legend, statistics_legend


@pytest.mark.parametrize(
    ("recorded", "ending"),
    [
        (["response_distance"], "; the median over layers and seeds."),
        (["scale_spread", "response_distance"], "; each the median over layers and seeds."),
        (["scale_spread", "flipped"], "(flipped: the mean over layers)."),
    ],
)
def test_the_activity_is_explained_in_one_sentence_as_far_as_it_is_recorded(recorded, ending):
    (note,) = activity_legend(recorded)
    assert note.endswith(ending) and note.count(".") == 1
    assert ("scale spread" in note) == ("scale_spread" in recorded)


def test_what_is_not_recorded_is_not_explained():
    assert activity_legend([]) == ()


def test_without_a_margin_there_is_no_note_on_verdict_and_posterior():
    assert len(legend("relu", None, None)) == 1
    assert not any("δ" in note for note in statistics_legend(None))
    assert "δ" in statistics_legend(0.5)[-1]
