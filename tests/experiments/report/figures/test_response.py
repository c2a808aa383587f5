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
