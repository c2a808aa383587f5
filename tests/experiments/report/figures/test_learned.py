"""Heat maps of what activations learn."""

import importlib
import re

import pytest

from experiments.report.figures.canvas import canvas
from experiments.report.figures.learned import learned
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid
from tests.experiments.simulated import by_name, drawn, write_metrics


def test_learned_values_are_means_over_seeds_by_layer(figures):
    alt = by_name(figures)["superres_small_learned_prelu"].alt
    assert "2 layers" in alt
    assert re.search(r"slope for z < 0 .* from 0\.16 to 0\.25", alt)  # 0.25 − 0.2 · ½ · (1 − ½⁴) and 0.25


def test_a_row_is_a_layer_and_a_column_an_epoch_with_the_recorded_values(evidence, monkeypatch):
    module, sheets = importlib.import_module("experiments.report.figures.heat_maps"), []
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    (setting,) = (setting for setting in evidence.settings() if setting.task == "superres")
    learned(Subject.of(evidence, "relu"), setting)
    (slopes,) = sheets[-1].panels  # of prelu, the last
    (mesh,) = slopes.collections
    values = mesh.get_array()
    assert values.shape == (2, 5)
    assert values[0].tolist() == pytest.approx([0.25] * 5)  # the first layer does not move
    assert values[1][-1] == pytest.approx(0.25 - 0.2 * 0.5 * (1 - 0.5**4))
    low, high = slopes.get_ylim()
    assert low > high  # the first layer on top


def test_what_is_measured_on_the_data_is_not_learned(figures):
    alt = by_name(figures)["cifar100_small_learned_carelu"].alt
    assert "α from" in alt and "β from" in alt
    assert "scale" not in alt and "share" not in alt


@pytest.mark.slow
def test_one_seed_is_called_so(tmp_path):
    rows = grid(("relu", "carelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
    assert "One seed." in drawn(tmp_path / "ledger.csv", rows)["cifar100_small_learned_carelu"].caption
