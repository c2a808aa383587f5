"""Heat maps of what activations do to the data."""

import importlib
import json

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures.canvas import canvas
from experiments.report.figures.effects import effects
from experiments.report.figures.subject import Subject
from tests.experiments.ledgers import grid, write

LAYERS = ("blocks.0.act", "blocks.1.act")


def record(folder, rows, values_of):
    """Metrics with `values_of(row, layer number, epoch)` as activation records; returns the evidence."""
    (folder / "metrics").mkdir(exist_ok=True)
    for row in rows:
        records = [
            {"epoch": epoch, "activations": {name: values_of(row, i, epoch) for i, name in enumerate(LAYERS)}}
            for epoch in range(3)
        ]
        text = "".join(
            json.dumps(each if all(each["activations"].values()) else {"epoch": 0}) + "\n" for each in records
        )
        (folder / "metrics" / f"{row['run_id']}.jsonl").write_text(text)
    return read_evidence(write(folder / "ledger.csv", rows))


@pytest.fixture
def sheets(monkeypatch):
    module, kept = importlib.import_module("experiments.report.figures.heat_maps"), []
    monkeypatch.setattr(module, "canvas", lambda **options: kept.append(canvas(**options)) or kept[-1])
    return kept


def figures_of(evidence, **options):
    return {figure.name: figure for figure in effects(Subject.of(evidence, "relu", **options), evidence.settings()[0])}


def measured(row, layer, epoch):
    if row["act"] == "relu":
        return {}
    distance = {"response_distance": 0.1 * (layer + 1) + row["seed"] / 100}
    if row["act"] != "carelu":
        return distance
    return {**distance, "alpha": 1.0, "scale": 2.0, "scale_std": 0.02 * epoch * (1 + row["seed"]), "flipped": 0.25}


def test_the_spread_of_the_scale_is_relative_to_its_mean_and_a_mean_over_seeds(tmp_path, sheets):
    evidence = record(tmp_path, grid(("relu", "carelu"), (0, 1)), measured)
    figure = figures_of(evidence)["cifar100_small_effect_carelu"]
    titles = [axes.get_title(loc="left") for axes in sheets[0].panels]
    assert titles[:2] == ["spread of the scale over inputs, % of its mean", "mean scale"]
    spread, scale = (axes.collections[0].get_array() for axes in sheets[0].panels[:2])
    assert spread[0].tolist() == pytest.approx([0.0, 1.5, 3.0])  # a row is a layer, a column an epoch
    assert spread.shape == (2, 3) and scale.tolist() == [[2.0] * 3] * 2
    assert "Mean over 2 seeds." in figure.caption
    assert "α" not in figure.alt


def test_the_distance_from_relu_of_all_activations_has_one_scale_of_colours(tmp_path, sheets):
    evidence = record(tmp_path, grid(("relu", "gelu", "carelu"), (0,)), measured)
    figure = figures_of(evidence)["cifar100_small_distance_from_relu"]
    assert "CAReLU from 0.10 to 0.20, GELU from 0.10 to 0.20" in figure.alt
    limits = {axes.collections[0].get_clim() for axes in sheets[-1].panels}
    assert limits == {(0.0, 0.2)}


def test_a_subject_has_the_effects_of_it_alone(tmp_path):
    evidence = record(tmp_path, grid(("relu", "gelu", "carelu"), (0,)), measured)
    figures = figures_of(evidence, named=("gelu",))
    assert list(figures) == ["cifar100_small_distance_from_relu"]
    assert "CAReLU" not in figures["cifar100_small_distance_from_relu"].alt


def test_what_was_not_recorded_is_skipped_without_a_word(tmp_path):
    evidence = record(tmp_path, grid(("relu", "carelu"), (0,)), lambda *_: {"alpha": 0.0, "beta": 0.8})
    assert figures_of(evidence) == {}
    older = record(tmp_path, grid(("carelu",), (0,)), lambda *_: {"alpha": 0.0, "share": 0.5, "scale": 1.0})
    (figure,) = figures_of(older).values()
    assert "mean scale" in figure.alt and "spread" not in figure.alt


def test_a_value_that_only_some_runs_recorded_is_left_out(tmp_path):
    def some(row, layer, epoch):
        values = measured(row, layer, epoch)
        return {key: value for key, value in values.items() if row["seed"] or key != "flipped"}

    evidence = record(tmp_path, grid(("relu", "carelu"), (0, 1)), some)
    assert "negative side" not in figures_of(evidence)["cifar100_small_effect_carelu"].alt
