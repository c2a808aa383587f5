"""What a list of runs, one run and two runs side by side say."""

import json

import pytest
import yaml
from rich.console import Console

from experiments.analysis.evidence import read_evidence
from experiments.record.stored_runs import stored_runs
from experiments.report.run_tables import age, comparison_tables, disk, run_table, runs_table, size_tables
from tests.experiments.ledgers import row, write
from tests.experiments.record.test_stored_runs import make_folder


def shown(*tables):
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in tables:
        console.print(table)
    return console.export_text()


@pytest.fixture
def root(tmp_path):
    """ReLU at 40 and 41 %, CAReLU at 42.5 and 42 %, seeds 0 and 1, each with its folder."""
    values = {("relu", 0): 40.0, ("relu", 1): 41.0, ("carelu", 0): 42.5, ("carelu", 1): 42.0}
    rows = [row(act, seed, value, finished_at="2026-01-31T12:00:00+00:00") for (act, seed), value in values.items()]
    write(tmp_path / "ledger.csv", rows)
    for each in rows:
        folder = make_folder(tmp_path, each)
        config = {
            "act": {"name": each["act"], "options": {"alpha": 0.0} if each["act"] == "carelu" else {}},
            "seed": each["seed"],
            "recipe": "small",
            "output_root": str(folder),
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        history = [{"epoch": epoch, "top1": each["top1"] - 4 + epoch} for epoch in (1, 2, 3, 4)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in history))
    return tmp_path


def test_the_list_has_headline_time_age_and_size(root):
    runs, _ = stored_runs(root)
    text = shown(runs_table(runs, runs[0].changed + 3 * 86400))
    assert "42.50 %" in text and "6 min 40 s" in text and "3 days" in text
    assert text.rstrip().splitlines()[-1].strip().startswith("4 runs, ")


def test_one_run_is_shown_with_its_command_and_metrics(root):
    run = stored_runs(root)[0][0]
    text = shown(run_table(run))
    assert run.row.command.split()[0] in text and str(run.folder) in text
    assert "those of the recipe" in text and "2 threads" in text


def test_two_runs_are_compared_in_settings_metrics_curves_and_pairs(root):
    runs = {(run.act, run.seed): run for run in stored_runs(root)[0]}
    evidence = read_evidence(root / "ledger.csv")
    settings, metrics, curves, pairs = comparison_tables(runs["carelu", 0], runs["relu", 0], evidence)
    assert "act.name" in shown(settings)
    assert "act.options.alpha" in shown(settings) and "{}" not in shown(settings)
    assert "output_root" not in shown(settings) and "recipe" not in shown(settings)
    assert "+2.50 points" in shown(metrics)
    assert curves.row_count == 4 and "38.50 %" not in shown(curves) and "39.50 %" in shown(curves)
    text = shown(pairs)
    assert pairs.row_count == 2 and "+1.00 points" in text and "mean +1.75 points" in text


def test_equal_results_of_two_activations_are_pairs_too(root):
    values = [row(act, 0, 40.0, finished_at="2026-01-31T12:00:00+00:00") for act in ("relu", "carelu")]
    write(root / "ledger.csv", values)
    runs = {(run.act, run.seed): run for run in stored_runs(root)[0]}
    *_, pairs = comparison_tables(runs["carelu", 0], runs["relu", 0], read_evidence(root / "ledger.csv"))
    assert "equal seeds" in str(pairs.title) and "0.00 points" in shown(pairs)


def test_seeds_of_one_activation_are_no_pairs(root):
    runs = {(run.act, run.seed): run for run in stored_runs(root)[0]}
    tables = comparison_tables(runs["relu", 0], runs["relu", 1], read_evidence(root / "ledger.csv"))
    assert not any("equal seeds" in str(table.title) for table in tables)
    assert "seed" in shown(tables[0])


def test_the_size_is_told_by_recipe_and_by_kind_of_file(root):
    places, files = size_tables(stored_runs(root)[0], root)
    assert places.row_count == 1
    assert "checkpoint.pt" in shown(files) and "4.0 kB" in shown(files)
    assert "outside of the folders of runs" in shown(files)  # the ledger


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (12_345, "12.3 kB"), (4e8, "400 MB"), (2.5e9, "2.5 GB")]
)
def test_sizes_are_for_people(size, text):
    assert disk(size) == text


@pytest.mark.parametrize(("seconds", "text"), [(-1, "now"), (600, "10 min"), (7200, "2 h"), (2e6, "23 days")])
def test_ages_are_for_people(seconds, text):
    assert age(seconds) == text
