"""Runs copied into the committed evidence: their rows, and beside them what each run left."""

import json
import shutil

import pytest
import yaml

from experiments.configuration.composition import compose
from experiments.configuration.identity import run_folder
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.publication import publish, read_config, restore, without_keys
from experiments.record.run_directory import METRICS, RESULT, RunDirectory
from experiments.record.sums import write_sums
from tests import forked
from tests.conftest import ROOT
from tests.experiments.ledgers import row, write


def write_result(folder, **fields):
    (folder / RESULT).write_text(json.dumps({**row(**fields), "reason": ""}))


@pytest.fixture
def runs(tmp_path):
    """An output root with three runs."""
    for act, seed in (("relu", 0), ("relu", 1), ("carelu", 0)):
        folder = tmp_path / "runs" / act / f"s{seed}"
        folder.mkdir(parents=True)
        cfg, _ = compose([f"act={act}", f"seed={seed}", f"output_root={tmp_path}/runs", f"data_root={tmp_path}/data"])
        RunDirectory(folder).begin(validate(cfg), {"torch": "2.11.0", "threads": 2})
        (folder / METRICS).write_text(f'{{"epoch": 0, "act": "{act}"}}\n')
        write_result(folder, run_id=f"{act}-s{seed}", act=act, seed=seed)
    return tmp_path / "runs"


def test_the_chosen_rows_are_copied_with_what_the_runs_left(runs, tmp_path):
    target = tmp_path / "results"
    assert publish(runs, target, {"act": "relu"}) == ["relu-s0", "relu-s1"]
    assert [each.run_id for each in ledger.read(target / "ledger.csv")[0]] == ["relu-s0", "relu-s1"]
    own = runs / "relu" / "s1"
    assert (target / "metrics" / "relu-s1.jsonl").read_bytes() == (own / METRICS).read_bytes()
    assert (target / "environments" / "relu-s1.json").read_bytes() == (own / "environment.json").read_bytes()
    assert yaml.safe_load((target / "configs" / "relu-s1.yaml").read_text())["seed"] == 1
    publish(runs, target, {"act": "carelu", "seed": "0"})
    assert len(ledger.read(target / "ledger.csv")[0]) == 3


def test_a_published_configuration_names_no_folder_of_this_machine(runs, tmp_path):
    publish(runs, tmp_path / "results", {"act": "relu", "seed": "0"})
    text = (tmp_path / "results" / "configs" / "relu-s0.yaml").read_text()
    assert str(tmp_path) in (runs / "relu" / "s0" / "config.yaml").read_text()
    assert str(tmp_path) not in text
    published, own = yaml.safe_load(text), yaml.safe_load((runs / "relu" / "s0" / "config.yaml").read_text())
    assert not {"output_root", "data_root", "logger", "force"} & set(published)
    assert "root" not in published["data"]
    assert {key: published[key] for key in ("act", "model", "optim", "seed", "recipe")} == {
        key: own[key] for key in ("act", "model", "optim", "seed", "recipe")
    }


def test_the_picture_of_a_run_is_copied_where_it_has_one_and_the_first_seed(runs, tmp_path):
    for seed in range(2):
        artifacts = runs / "relu" / f"s{seed}" / "artifacts"
        artifacts.mkdir()
        (artifacts / "comparison.png").write_bytes(b"picture of %d" % seed)
    publish(runs, tmp_path / "results", {})
    pictures = tmp_path / "results" / "pictures"
    assert {file.name: file.read_bytes() for file in pictures.iterdir()} == {"relu-s0.png": b"picture of 0"}


def test_predictions_are_copied_unless_they_are_large(runs, tmp_path):
    (runs / "relu" / "s0" / "predictions.npz").write_bytes(b"0" * 200_000)
    (runs / "relu" / "s1" / "predictions.npz").write_bytes(b"1" * 200_001)
    publish(runs, tmp_path / "results", {"act": "relu"})
    predictions = tmp_path / "results" / "predictions"
    assert {file.name: file.stat().st_size for file in predictions.iterdir()} == {"relu-s0.npz": 200_000}


@pytest.mark.parametrize("git_dirty", [True, None, "missing"])
def test_results_of_uncommitted_code_are_not_published_without_allow_dirty(runs, tmp_path, git_dirty):
    made = json.loads((runs / "relu" / "s0" / RESULT).read_text())
    made["git_dirty"] = git_dirty
    if git_dirty == "missing":
        del made["git_dirty"]
    (runs / "relu" / "s0" / RESULT).write_text(json.dumps(made))
    with pytest.raises(BadInput, match=r"relu-s0 .*--allow-dirty"):
        publish(runs, tmp_path / "results", {"act": "relu"})
    assert not (tmp_path / "results").exists()
    assert publish(runs, tmp_path / "results", {"act": "relu"}, allow_dirty=True) == ["relu-s0", "relu-s1"]
    assert [each.git_dirty for each in ledger.read(tmp_path / "results" / "ledger.csv")[0]] == [True, False]


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ({"activation": "relu"}, "unknown column 'activation'"),
        ({"act": "gelu"}, "no finished run"),
        ({"threads": ""}, "no finished run"),
    ],
)
def test_a_choice_that_fits_nothing_is_answered(runs, tmp_path, wanted, answer):
    with pytest.raises(BadInput, match=answer):
        publish(runs, tmp_path / "results", wanted)


def test_a_damaged_run_is_named_and_nothing_is_published(runs, tmp_path):
    write_result(runs / "relu" / "s1", run_id="relu-s1", seed=1, steps="many")
    with pytest.raises(BadInput, match=r"relu-s1 .*'steps' is 'many'"):
        publish(runs, tmp_path / "results", {"act": "relu"})
    assert not (tmp_path / "results" / "metrics").exists()
    write_result(runs / "relu" / "s1", run_id="relu-s1", seed=1)
    (runs / "relu" / "s1" / "config.yaml").write_text("a: [")
    with pytest.raises(BadInput, match=r"config\.yaml cannot be read"):
        publish(runs, tmp_path / "results", {"act": "relu"})


def test_restored_runs_count_as_done_and_are_published_again_as_they_were(tmp_path, run):
    first = run("act=relu", "seed=3")
    assert first.identity.directory.is_relative_to(tmp_path / "runs")
    publish(tmp_path / "runs", tmp_path / "results", {"act": "relu"}, allow_dirty=True)
    shutil.rmtree(tmp_path / "runs")
    assert restore(tmp_path / "results" / "ledger.csv", tmp_path / "runs") == [first.result["run_id"]]
    again = run("act=relu", "seed=3")
    assert again.again
    assert again.result["headline_value"] == first.result["headline_value"]
    publish(tmp_path / "runs", tmp_path / "twice", {"act": "relu"}, allow_dirty=True)
    files = [file.relative_to(tmp_path / "results") for file in (tmp_path / "results").rglob("*.*") if file.is_file()]
    assert len(files) >= 5
    for file in files:
        assert (tmp_path / "twice" / file).read_bytes() == (tmp_path / "results" / file).read_bytes()
    assert restore(tmp_path / "results" / "ledger.csv", tmp_path / "runs") == []


def test_only_a_ledger_is_restored(tmp_path):
    with pytest.raises(BadInput, match="there is no ledger"):
        restore(tmp_path / "ledger.csv", tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "returncode", "said"),
    [
        (["act=relu"], 0, "relu-s1"),
        (["act=gelu"], 1, "error: no finished run"),
        (["relu"], 2, "'relu' is not COLUMN=VALUE"),
        ([], 2, "--restore alone"),
        (["--restore", "act=relu"], 2, "--restore alone"),
    ],
)
def test_the_script_says_what_it_did(runs, tmp_path, arguments, returncode, said):
    options = ["--output-root", runs, "--out", tmp_path / "results"]
    done = forked.run(["scripts/publish_results.py", *arguments, *options])
    assert done.returncode == returncode
    assert said in done.stdout + done.stderr


def test_the_published_ledger_is_whole_and_made_by_committed_code():
    rows, problems = ledger.read(ROOT / "results/comparison/ledger.csv")
    assert problems == []
    for each in rows:
        assert not each.git_dirty
        for place in (f"metrics/{each.run_id}.jsonl", f"configs/{each.run_id}.yaml"):
            assert (ROOT / "results/comparison" / place).exists()


def test_restored_results_are_whole_and_a_folder_that_is_there_is_used(tmp_path):
    rows = [row(seed=seed, run_id=f"run-{seed}", config_hash=f"{seed}abc") for seed in range(3)]
    write(tmp_path / "results" / "ledger.csv", rows)
    (tmp_path / "results" / "pictures").mkdir()
    (tmp_path / "results" / "pictures" / "run-1.png").write_bytes(b"picture")
    folders = [run_folder(tmp_path / "runs", "cifar100", "small", "relu", seed, f"{seed}abc") for seed in range(3)]
    folders[0].mkdir(parents=True)
    (folders[0] / RESULT).write_text("{}")  # has ended; what it holds is not looked at
    folders[1].mkdir()
    assert restore(tmp_path / "results" / "ledger.csv", tmp_path / "runs") == ["run-1", "run-2"]
    assert (folders[0] / RESULT).read_text() == "{}"
    result = json.loads((folders[1] / RESULT).read_text())
    assert {key: result[key] for key in ("reason", "notes", "chance", "run_id", "status", "top1")} == {
        "reason": "",
        "notes": "",
        "chance": "",
        "run_id": "run-1",
        "status": "finished",
        "top1": 40.0,
    }
    assert (folders[1] / "artifacts" / "comparison.png").read_bytes() == b"picture"
    assert not (folders[2] / "artifacts").exists() and not (folders[2] / METRICS).exists()
    assert [each.run_id for each in ledger.read(tmp_path / "runs" / "ledger.csv")[0]] == ["run-1", "run-2"]


def test_nothing_restored_writes_no_ledger(tmp_path):
    write(tmp_path / "ledger.csv", [])
    assert restore(tmp_path / "ledger.csv", tmp_path / "runs") == []
    assert not (tmp_path / "runs").exists()


def test_an_edited_run_is_published_with_a_warning(runs, tmp_path):
    write_sums(runs / "relu" / "s1", [METRICS], {})
    (runs / "relu" / "s1" / METRICS).write_text("edited")
    with pytest.warns(UserWarning, match=rf"{METRICS} of .* is not as the run wrote it"):
        assert publish(runs, tmp_path / "results", {"act": "relu"}) == ["relu-s0", "relu-s1"]


@pytest.mark.parametrize(
    "content", ["key: [1, {'a': 'x${oc.env:HOME}'}]", "${b}: 1", "a: {b: {'${c}': 1}}", "a: [[b, [['${d}']]]]"]
)
def test_an_interpolation_anywhere_in_a_recorded_configuration_is_refused(tmp_path, content):
    (tmp_path / "config.yaml").write_text(f"first: text\n{content}\n")
    with pytest.raises(BadInput, match=r"config\.yaml holds the interpolation '.*\$\{"):
        read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("content", ["[1]", "text", "", "a: [", "a: &a [*a]"])
def test_a_configuration_that_is_no_mapping_is_named(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(BadInput, match=r"config\.yaml cannot be read \("):
        read_config(tmp_path / "config.yaml")


def test_keys_are_left_out_by_their_whole_dotted_name():
    config = {"data": {"root": "here", "name": "x", "inner": {"root": 1}}, "root": 2, "seed": 3}
    assert without_keys(config, ("data.root", "seed")) == {"data": {"name": "x", "inner": {"root": 1}}, "root": 2}
    assert config["data"]["root"] == "here"
