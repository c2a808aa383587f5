"""The ledger: one row a run, rebuilt from the runs, and published as evidence."""

import json
import subprocess
import sys

import pytest

from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.run_directory import METRICS, RESULT
from tests.conftest import ROOT


def result(run_id, **fields):
    row = dict.fromkeys(ledger.COLUMNS, "x")
    return {**row, "run_id": run_id, "git_dirty": False, "headline_value": 50.0, "top1": 50.0, **fields}


@pytest.fixture
def runs(tmp_path):
    """An output root with the results of three runs."""
    for act, seed in (("relu", 0), ("relu", 1), ("carelu", 0)):
        folder = tmp_path / "runs" / act / f"s{seed}"
        folder.mkdir(parents=True)
        (folder / RESULT).write_text(json.dumps(result(f"{act}-s{seed}", act=act, seed=seed)))
        (folder / METRICS).write_text(f'{{"epoch": 0, "act": "{act}"}}\n')
    return tmp_path / "runs"


def test_the_columns_are_those_of_the_contract():
    contract = (
        "run_id, status, task, model, data, recipe, act, seed, headline_metric, headline_value, parameters, epochs, "
        "steps, wall_seconds, step_milliseconds, peak_memory_mib, device, precision, config_hash, git_commit, "
        "git_dirty, python, torch, command, finished_at"
    )
    assert ", ".join(ledger.COLUMNS) == contract


def test_a_row_replaces_the_older_row_of_the_same_run(tmp_path):
    file = tmp_path / "ledger.csv"
    for value, run_id in ((1.0, "b"), (2.0, "a"), (3.0, "b")):
        ledger.record(file, result(run_id, headline_value=value))
    assert [(row["run_id"], row["headline_value"]) for row in ledger.read(file)] == [("a", "2.0"), ("b", "3.0")]


def test_a_row_replaces_only_the_row_of_its_own_run_whatever_their_status(tmp_path):
    file = tmp_path / "ledger.csv"
    ledger.record(file, result("a", status="failed"))
    ledger.record(file, result("b", status="finished"))
    ledger.record(file, result("a", status="finished"))
    assert [(row["run_id"], row["status"]) for row in ledger.read(file)] == [("a", "finished"), ("b", "finished")]


def test_rows_are_sorted_and_what_is_local_is_no_column(tmp_path):
    file = tmp_path / "ledger.csv"
    ledger.write(file, [result("b", reason="diverged at step 3", notes=["x"]), result("a")])
    assert [row["run_id"] for row in ledger.read(file)] == ["a", "b"]
    assert not {"reason", "notes"} & ledger.read(file)[0].keys()


def test_a_new_metric_becomes_a_column_after_the_known_ones(tmp_path):
    file = tmp_path / "ledger.csv"
    ledger.record(file, result("a", **{"set5/psnr_y": 30.0, "loss": 1.0}))
    ledger.record(file, result("b"))
    header = file.read_text().splitlines()[0].split(",")
    assert header[len(ledger.COLUMNS) :] == ["top1", "loss", "set5/psnr_y"]
    assert [row["set5/psnr_y"] for row in ledger.read(file)] == ["30.0", ""]


def test_a_ledger_is_rebuilt_from_the_run_directories(runs):
    replaced = runs / "relu" / "s0" / "replaced" / "1"
    replaced.mkdir(parents=True)
    (replaced / RESULT).write_text(json.dumps(result("old")))
    assert ledger.rebuild(runs) == 3
    assert [row["run_id"] for row in ledger.read(runs / "ledger.csv")] == ["carelu-s0", "relu-s0", "relu-s1"]


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    file = tmp_path / "ledger.csv"
    for content in (b"a,b\n1,2\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        with pytest.raises(BadInput, match=r"is not a ledger.*rebuild_ledger"):
            ledger.read(file)


def test_publishing_copies_the_chosen_rows_and_their_metrics(runs, tmp_path):
    target = tmp_path / "results"
    assert ledger.publish(runs, target, {"act": "relu"}) == ["relu-s0", "relu-s1"]
    assert [row["run_id"] for row in ledger.read(target / "ledger.csv")] == ["relu-s0", "relu-s1"]
    assert (target / "metrics" / "relu-s1.jsonl").read_bytes() == (runs / "relu" / "s1" / METRICS).read_bytes()
    ledger.publish(runs, target, {"act": "carelu", "seed": "0"})
    assert len(ledger.read(target / "ledger.csv")) == 3


def test_a_run_is_published_only_if_all_that_is_wanted_fits_and_also_if_it_failed(runs, tmp_path):
    (runs / "relu" / "s1" / RESULT).write_text(json.dumps(result("relu-s1", act="relu", seed=1, status="failed")))
    assert ledger.publish(runs, tmp_path / "results", {"act": "relu", "seed": "1"}) == ["relu-s1"]
    assert [row["status"] for row in ledger.read(tmp_path / "results" / "ledger.csv")] == ["failed"]


def test_publishing_copies_the_picture_of_a_run_that_has_one(runs, tmp_path):
    artifacts = runs / "relu" / "s1" / "artifacts"
    artifacts.mkdir()
    (artifacts / "comparison.png").write_bytes(b"picture")
    ledger.publish(runs, tmp_path / "results", {"act": "relu"})
    pictures = tmp_path / "results" / "pictures"
    assert {file.name: file.read_bytes() for file in pictures.iterdir()} == {"relu-s1.png": b"picture"}


def test_results_of_code_in_no_commit_are_not_published_unless_asked(runs, tmp_path):
    (runs / "relu" / "s0" / RESULT).write_text(json.dumps(result("relu-s0", act="relu", git_dirty=True)))
    with pytest.raises(BadInput, match="relu-s0 was made by code that is in no commit"):
        ledger.publish(runs, tmp_path / "results", {"act": "relu"})
    assert not (tmp_path / "results").exists()
    assert ledger.publish(runs, tmp_path / "results", {"act": "relu"}, allow_dirty=True) == ["relu-s0", "relu-s1"]


def test_a_result_that_does_not_say_whether_its_code_was_committed_is_not_published(runs, tmp_path):
    silent = result("relu-s1", act="relu")
    del silent["git_dirty"]
    (runs / "relu" / "s1" / RESULT).write_text(json.dumps(silent))
    with pytest.raises(BadInput, match="relu-s1 was made by code that is in no commit"):
        ledger.publish(runs, tmp_path / "results", {"act": "relu"})
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [({"activation": "relu"}, "unknown column 'activation'"), ({"act": "gelu"}, "no finished run")],
)
def test_a_choice_that_fits_nothing_is_answered(runs, tmp_path, wanted, answer):
    with pytest.raises(BadInput, match=answer):
        ledger.publish(runs, tmp_path / "results", wanted)


@pytest.mark.parametrize(
    ("script", "arguments", "returncode", "said"),
    [
        ("publish_results.py", ["act=relu"], 0, "relu-s1"),
        ("publish_results.py", ["act=gelu"], 1, "error: no finished run"),
        ("publish_results.py", ["relu"], 2, "'relu' is not COLUMN=VALUE"),
        ("rebuild_ledger.py", [], 0, "3 runs"),
    ],
)
def test_the_scripts_say_what_they_did(runs, tmp_path, script, arguments, returncode, said):
    out = ["--out", str(tmp_path / "results")] if script == "publish_results.py" else []
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments, "--output-root", str(runs), *out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == returncode
    assert said in done.stdout + done.stderr


def test_the_published_ledger_is_whole_and_made_by_committed_code():
    rows = ledger.read(ROOT / "results" / "ledger.csv")
    for row in rows:
        assert row["git_dirty"] == "False"
        assert (ROOT / "results" / "metrics" / f"{row['run_id']}.jsonl").exists()
