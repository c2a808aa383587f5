"""Responses of the activations of a ledger."""

import hashlib
import sys

import pytest
import torch
from torch import nn

from carelu import CAReLU, register, registry
from carelu.registry import unregister
from experiments.report.figures import response as module
from tests.experiments.ledgers import grid, write_config
from tests.experiments.simulated import drawn


@pytest.fixture
def sheets(monkeypatch):
    """The canvases that are drawn on."""
    kept, make = [], module.canvas_for
    monkeypatch.setattr(module, "canvas_for", lambda labels: kept.append(make(labels)) or kept[-1])
    return kept


def lines(axes):
    return {line.get_label(): dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in axes.lines}


def at(curve, z):
    return curve[min(curve, key=lambda x: abs(x - z))]


def test_a_response_starts_with_the_options_of_its_runs_and_has_its_derivative_below(tmp_path, sheets):
    drawn(tmp_path / "ledger.csv", grid(("relu", "prelu", "prelu(init=0.5)"), range(1)))
    responses, derivatives = map(lines, sheets[0].panels)
    assert at(responses["PReLU (init=0.5)"], -3) == pytest.approx(-1.5)
    assert at(derivatives["PReLU (init=0.5)"], -3) == pytest.approx(0.5)
    assert at(derivatives["PReLU"], -3) == pytest.approx(0.25)
    assert at(derivatives["ReLU"], 3) == 1.0


def test_a_competition_that_starts_without_one_is_a_single_curve_and_is_said_to_be(tmp_path):
    figures = drawn(tmp_path / "ledger.csv", grid(("relu", "carelu"), range(1)))
    assert [name for name in figures if name.startswith("response")] == ["responses"]
    assert "CAReLU starts with one scale for every share p" in figures["responses"].caption


def test_a_competition_has_a_curve_for_each_share_at_its_own_start(tmp_path, sheets):
    figures = drawn(tmp_path / "ledger.csv", grid(("relu", "carelu(alpha=4.0, competition=l1, gain=2.0)"), range(1)))
    figure = figures["response_carelu-alpha=4.0-competition=l1-gain=2.0"]
    assert figure.caption.startswith("At α = 4, β = −1.451, K = 2.") and "in their absolute values" in figure.caption
    responses, derivatives = map(lines, sheets[-1].panels)
    started = CAReLU(alpha=4.0, gain=2.0)
    for share in (0.0, 0.5, 1.0):
        scale = started.scale(torch.tensor(share)).item()
        assert at(responses[f"p = {share:g}"], 3) == pytest.approx(max(0.0, 3 * scale), abs=1e-5)
        assert at(derivatives[f"p = {share:g}"], -3) == pytest.approx(min(0.0, scale), abs=1e-5)
    assert "p " not in figures["responses"].caption


def test_a_default_of_the_configuration_is_drawn_and_not_that_of_the_library(tmp_path, sheets):
    rows = grid(("relu", "carelu"), range(1))
    write_config(tmp_path / "ledger.csv", rows[1]["run_id"], "act: {name: carelu, options: {alpha: 1.0}}")
    figures = drawn(tmp_path / "ledger.csv", rows)
    assert figures["response_carelu"].caption.startswith("At α = 1, β = ")
    assert "CAReLU" not in figures["responses"].alt + figures["responses"].caption
    assert at(lines(sheets[-1].panels[0])["p = 1"], 3) == pytest.approx(3 * CAReLU(alpha=1).scale(1.0).item(), rel=1e-5)


def test_activations_that_the_library_does_not_know_have_no_response(tmp_path):
    rows = grid(("mine", "yours"), range(2))
    assert "responses" not in drawn(tmp_path / "ledger.csv", rows, baseline="mine")


MINE = """
from carelu import register
from torch import nn

@register("response_of_mine")
class Mine(nn.Module):
    def forward(self, z):
        return 2 * z
"""


@pytest.mark.slow
@pytest.mark.parametrize("known", ["importable", "elsewhere", "changed"])
def test_a_module_of_ones_own_is_imported_and_otherwise_the_caption_says_what_to_do(tmp_path, monkeypatch, known):
    (tmp_path / "response_of_mine.py").write_text(MINE)
    if known != "elsewhere":
        monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    digest = hashlib.sha256(b"Mine\0" + MINE.encode()).hexdigest()[:12]
    rows = grid(("relu", "response_of_mine"), range(1))
    for each in rows:
        each["activation_hash"] = "" if each["act"] == "relu" else "another" if known == "changed" else digest
        config = "act: {name: response_of_mine, package: response_of_mine}"
        write_config(tmp_path / "ledger.csv", each["run_id"], config)
    try:
        figure = drawn(tmp_path / "ledger.csv", rows)["responses"]
    finally:
        sys.modules.pop("response_of_mine", None)
    assert ("response_of_mine" in figure.alt) == (known == "importable")
    assert ("Not drawn: response_of_mine" in figure.caption) == (known != "importable")
    assert ("PYTHONPATH" in figure.caption) == (known != "importable")


def test_an_activation_that_needs_the_shape_of_a_site_has_no_response(tmp_path):
    @register("needs_images")
    class NeedsImages(nn.Module):
        def forward(self, z):
            return z * z.mean(dim=(2, 3), keepdim=True)

    try:
        figure = drawn(tmp_path / "ledger.csv", grid(("relu", "needs_images"), range(1)))["responses"]
    finally:
        unregister("needs_images")
    assert figure.alt.endswith(": ReLU.")


@pytest.mark.slow
def test_lines_have_markers_and_styles_of_their_own(tmp_path, sheets):
    drawn(tmp_path / "ledger.csv", grid(("relu", "gelu", "prelu", "carelu_sign"), range(1)))
    for sheet in sheets:
        looks = [(line.get_marker(), line.get_linestyle(), line.get_dash_capstyle()) for line in sheet.panels[0].lines]
        assert len({marker for marker, *_ in looks}) == len(looks)


def test_responses_are_those_of_the_recipe_that_is_shown(tmp_path):
    rows = [*grid(("relu", "gelu"), range(2)), *grid(("relu", "carelu"), range(2), recipe="fast")]
    of_recipe = drawn(tmp_path / "ledger.csv", rows, recipe="small")["responses"]
    assert "CAReLU" not in of_recipe.alt + of_recipe.caption
