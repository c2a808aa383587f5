"""Heat maps of what activations learn."""

import importlib
import json
import re

import pytest

from experiments.report.figures.canvas import canvas
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid
from tests.experiments.simulated import by_name, drawn, write_metrics


def test_learned_values_are_means_over_seeds_by_layer(figures):
    alt = by_name(figures)["superres_small_learned_prelu"].alt
    assert "2 layers" in alt
    assert re.search(r"slope for z < 0 .* from 0\.16 to 0\.25", alt)  # 0.25 − 0.2 · ½ · (1 − ½⁴) and 0.25


def test_a_row_is_a_layer_and_a_column_an_epoch_with_the_recorded_values(evidence, monkeypatch):
    module, sheets = importlib.import_module("experiments.report.figures.learned"), []
    monkeypatch.setattr(module, "canvas", lambda **options: sheets.append(canvas(**options)) or sheets[-1])
    (setting,) = (setting for setting in evidence.settings() if setting.task == "superres")
    module.learned(Subject.of(evidence, "relu"), setting)
    (slopes,) = sheets[-1].panels  # of prelu, the last
    (mesh,) = slopes.collections
    values = mesh.get_array()
    assert values.shape == (2, 5)
    assert values[0].tolist() == pytest.approx([0.25] * 5)  # the first layer does not move
    assert values[1][-1] == pytest.approx(0.25 - 0.2 * 0.5 * (1 - 0.5**4))
    low, high = slopes.get_ylim()
    assert low > high  # the first layer on top


def test_a_value_that_only_some_runs_recorded_is_left_out_and_no_figure_shows_the_distance_alone(tmp_path):
    rows = grid(("relu", "carelu", "prelu", "gelu"), (0, 1))
    for each in rows:
        write_metrics(tmp_path, each)
        file = tmp_path / "metrics" / f"{each['run_id']}.jsonl"
        records = [json.loads(line) for line in file.read_text().splitlines()]
        for record in records:
            if each["act"] == "gelu" or (each["act"], each["seed"]) == ("carelu", 1):
                layers = record.setdefault("activations", {"layer.0": {}, "layer.1": {}})
                for values in layers.values():
                    values["response_distance"] = 0.5
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    made = drawn(tmp_path / "ledger.csv", rows)
    assert "distance from ReLU" not in made["cifar100_small_learned_carelu"].alt
    assert "cifar100_small_learned_gelu" not in made


def test_one_seed_is_called_so(tmp_path):
    rows = grid(("relu", "carelu"), (0,))
    for each in rows:
        write_metrics(tmp_path, each)
    assert "One seed." in drawn(tmp_path / "ledger.csv", rows)["cifar100_small_learned_carelu"].caption
