"""Responses of the activations of a ledger."""

from tests.experiments.ledgers import grid
from tests.experiments.simulated import by_name, drawn


def test_carelu_is_shown_by_share_where_the_ledger_has_it(figures, tmp_path):
    assert "CAReLU at shares p" in by_name(figures)["responses"].alt
    without = drawn(tmp_path / "ledger.csv", grid(("relu", "gelu"), range(2)))["responses"]
    assert "CAReLU" not in without.alt + without.caption
    assert "ReLU, GELU" in without.alt


def test_activations_that_the_library_does_not_know_have_no_response(tmp_path):
    rows = grid(("mine", "yours"), range(2))
    assert "responses" not in drawn(tmp_path / "ledger.csv", rows, baseline="mine")


def test_responses_are_those_of_the_runs_that_are_shown(tmp_path):
    rows = [*grid(("relu", "gelu"), range(2)), *grid(("relu", "carelu"), range(2), recipe="fast")]
    of_recipe = drawn(tmp_path / "ledger.csv", rows, recipe="small")["responses"]
    assert "CAReLU" not in of_recipe.alt + of_recipe.caption
    both = [*grid(("relu", "gelu", "carelu"), range(2))]
    of_subject = drawn(tmp_path / "both.csv", both, subjects=("gelu",))["responses"]
    assert "CAReLU" not in of_subject.alt + of_subject.caption and "ReLU, GELU" in of_subject.alt
