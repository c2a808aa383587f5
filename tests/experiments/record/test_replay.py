"""Runs written to W&B from their record: the same as the live mirror, from the run's folder and from a ledger."""

import json
import runpy
import sys

import pytest
import yaml
from PIL import Image

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.record import ledger
from experiments.record.publication import publish
from experiments.record.replay import replay, runs_in, runs_of
from experiments.record.row import COLUMNS, LOCAL_ONLY
from experiments.record.run_directory import PICTURE, RESULT, RunDirectory
from experiments.tasks.cifar100.task import CIFAR100
from experiments.training.resolution import resolve_auto
from tests.conftest import ROOT
from tests.experiments.ledgers import row, write
from tests.wandb_files import offline_runs

pytestmark = pytest.mark.usefixtures("no_login")

OFFLINE = {"mode": "offline"}


@pytest.fixture
def picture(monkeypatch):
    """Makes a run end with a picture."""

    def write_artifacts(self, model, splits, folder):
        Image.new("RGB", (3, 2), "orange").save(folder / "strip.png")
        return [folder / "strip.png"]

    monkeypatch.setattr(CIFAR100, "write_artifacts", write_artifacts)


@pytest.fixture
def evidence(tmp_path):
    """(folder of a finished run of CAReLU that was not mirrored, ledger that publishes it)."""
    words = ["act=carelu", "data=sample", "trainer.device=cpu", "trainer.precision=float32"]
    cfg, choices = compose([*words, "recipe=small", "act.options.gain=2", f"output_root={tmp_path / 'runs'}"])
    config = resolve_auto(validate(cfg))
    identity = identify(config, choices)
    directory = RunDirectory(identity.directory)
    directory.create()
    environment = {
        **dict.fromkeys(ledger.OF_ENVIRONMENT, "x"),
        "git_dirty": False,
        "torch": "2.6",
        "threads": 1,
        "processes": 1,
    }
    directory.begin(config, environment)
    learned = {"act1": {"alpha": 0.25, "beta": 0.8}}
    directory.write_metrics(
        [
            {"epoch": 0, "activations": learned},
            *({"epoch": epoch, "top1": 10.0 + epoch, "activations": learned} for epoch in (1, 2)),
        ]
    )
    (directory.path / "artifacts").mkdir()
    Image.new("RGB", (3, 2), "orange").save(directory.path / "artifacts" / PICTURE)
    named = {key: value for key, value in vars(identity).items() if key in COLUMNS}
    of_environment = {key: environment[key] for key in ledger.OF_ENVIRONMENT}
    directory.finish(row(**named, **of_environment, value=12.0) | {"reason": "", "headline_epoch": 2})
    publish(tmp_path / "runs", tmp_path / "results", {"act": "carelu"})
    return identity.directory, tmp_path / "results" / "ledger.csv"


def only_run(folder):
    (written,) = offline_runs(folder)
    return written


def pictures(written):
    """(name, fingerprint) of the pictures; their file names count steps and are W&B's own."""
    return {(key, value["sha256"]) for values in written.history for key, value in values.items() if "pictures" in key}


def without_pictures(values):
    return {key: value for key, value in values.items() if not key.startswith("pictures/")}


@pytest.mark.slow
def test_a_replay_equals_the_live_mirror(run, picture, tmp_path):
    outcome = run("act=carelu", "logger=wandb", "logger.tags=[mine]", "logger.project=elsewhere")
    (recorded,) = runs_in(outcome.identity.directory)
    assert recorded.note == "the run names --project elsewhere"
    replay(recorded, {**OFFLINE, "project": "elsewhere"}, tmp_path)
    live, replayed = only_run(outcome.identity.directory), only_run(tmp_path)
    for field in ("run_id", "project", "entity", "run_group", "job_type", "display_name", "tags"):
        assert getattr(replayed.run, field) == getattr(live.run, field)
    assert live.run.project == "elsewhere"
    assert replayed.config == live.config
    assert replayed.step_metrics == live.step_metrics
    assert list(map(without_pictures, replayed.history)) == list(map(without_pictures, live.history))
    assert without_pictures(replayed.summary) == without_pictures(live.summary)
    assert pictures(replayed) == pictures(live) != set()


def test_a_second_replay_is_the_same_wandb_run(evidence, tmp_path):
    folder, _ = evidence
    ids = set()
    for _ in range(2):
        (recorded,) = runs_in(folder)
        replay(recorded, OFFLINE, tmp_path)
        ids.add(only_run(tmp_path).run.run_id)
    assert len(ids) == 1


def test_the_evidence_replays_as_the_run_itself(evidence, tmp_path):
    folder, published = evidence
    for recorded, place in ((runs_in(folder), "own"), (runs_of(published)[0], "published")):
        (tmp_path / place).mkdir()
        replay(recorded[0], {**OFFLINE, "project": "theirs"}, tmp_path / place)
    own, again = only_run(tmp_path / "own"), only_run(tmp_path / "published")
    assert own.run.project == again.run.project == "theirs"
    assert own.run.run_id == again.run.run_id
    assert (own.run.run_group, own.run.display_name) == (again.run.run_group, again.run.display_name)
    assert again.history == own.history
    assert again.summary == {key: value for key, value in own.summary.items() if key not in LOCAL_ONLY}
    assert again.run.display_name == "carelu(gain=2)-s0"
    for part in ("act", "model", "optim", "seed", "run_id", "command", "environment"):
        assert again.config[part] == own.config[part]


def test_a_run_without_a_published_configuration_is_replayed_without_and_that_is_said(evidence):
    _, published = evidence
    for file in (*published.parent.glob("configs/*"), *published.parent.glob("environments/*")):
        file.unlink()
    (recorded,), _ = runs_of(published)
    assert recorded.config == {}
    assert "without its configuration" in recorded.note
    assert recorded.environment["torch"] == "2.6"


def test_runs_below_a_folder_are_found(evidence, tmp_path):
    folder, _ = evidence
    assert [run.run_id for run in runs_in(tmp_path)] == [run.run_id for run in runs_in(folder)]


def test_a_run_that_did_not_finish_keeps_its_curves(evidence, tmp_path):
    folder, _ = evidence
    result = json.loads((folder / RESULT).read_text())
    (folder / RESULT).write_text(json.dumps({**result, "status": "diverged", "headline_value": None}))
    (recorded,) = runs_in(folder)
    replay(recorded, OFFLINE, tmp_path)
    written = only_run(tmp_path)
    assert written.summary["status"] == "diverged"
    assert [values["epoch"] for values in written.history] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("file", "content", "answer"),
    [
        ("metrics.jsonl", '{"epoch": 0}\n{"epoch": 1, "lo', r"metrics\.jsonl, line 2 is damaged"),
        ("metrics.jsonl", '{"epoch": 0}\n[1]\n', r"metrics\.jsonl, line 2 is damaged"),
        ("metrics.jsonl", None, r"metrics\.jsonl is missing"),
        ("environment.json", None, r"environment\.json is missing"),
        ("config.yaml", None, r"config\.yaml cannot be read"),
        ("config.yaml", "a: [", r"config\.yaml cannot be read"),
        ("result.json", "{}", r"result\.json is not the result of a run: 'run_id' is missing"),
        ("result.json", None, r"holds no finished run"),
        ("checkpoint.pt", "x", r"checkpoint\.pt cannot be read"),
    ],
)
def test_a_damaged_or_unfinished_run_is_named(tmp_path, file, content, answer):
    folder = tmp_path / "s0-0123456789"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text('{"epoch": 0}\n')
    (folder / "environment.json").write_text("{}")
    (folder / "config.yaml").write_text("seed: 0\n")
    (folder / "result.json").write_text(json.dumps(row()))
    assert len(runs_in(folder)) == 1
    if content is None:
        (folder / file).unlink()
    else:
        write_atomically(folder / file, content.encode())
    with pytest.raises(BadInput, match=answer):
        runs_in(folder)


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"headline_value": "4O.1"}, "line 2 .*'headline_value' is '4O.1', not a number"),
        ({"finished_at": ""}, "line 2 .*'finished_at' is ''"),
        ({}, r"a\.jsonl is missing"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, fields, answer):
    write(tmp_path / "ledger.csv", [row(run_id="a", **fields)])
    with pytest.raises(BadInput, match=answer):
        runs_of(tmp_path / "ledger.csv")


def test_a_damaged_row_is_left_out_and_the_others_are_replayed(tmp_path):
    file = write(tmp_path / "ledger.csv", [row(run_id="a"), row(run_id="b", steps="x")])
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "a.jsonl").write_text('{"epoch": 0}\n')
    runs, (problem,) = runs_of(file)
    assert [run.run_id for run in runs] == ["a"]
    assert "line 3" in problem
    with pytest.raises(BadInput, match=r"unknown run 'b'.*line 3"):
        runs_of(file, ["b"])


@pytest.fixture
def script(monkeypatch):
    """Runs scripts/replay_wandb.py with arguments; returns its exit code."""

    def main(*arguments):
        monkeypatch.setattr(sys, "argv", ["replay_wandb.py", *map(str, arguments)])
        try:
            return runpy.run_path(str(ROOT / "scripts" / "replay_wandb.py"))["main"]()
        except SystemExit as exit:
            return exit.code

    return main


def test_the_script_replays_and_says_where(evidence, script, tmp_path, capsys):
    _, published = evidence
    unfinished = tmp_path / "runs" / "begun"
    unfinished.mkdir()
    (unfinished / "environment.json").write_text("{}")
    capsys.readouterr()
    assert script(tmp_path / "runs", "--output-root", tmp_path / "out", "--mode", "offline") == 0
    said = capsys.readouterr().out
    assert f"{unfinished} is left out: the run is not finished" in said
    assert str(only_run(tmp_path / "out").folder) in said
    run_id = only_run(tmp_path / "out").config["run_id"]
    assert script("--ledger", published, "--run-id", run_id, "--output-root", tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["nowhere"], "error: there is no folder nowhere"),
        (["experiments"], "error: experiments is not a run's folder"),
        (["--ledger", "nowhere.csv"], "error: there is no ledger nowhere.csv"),
        (["--ledger", "results/comparison/ledger.csv", "--run-id", "cifar"], "error: unknown run 'cifar'"),
        (["experiments", "--mode", "online"], "error: online mode needs `wandb login`"),
        (["experiments", "--run-id", "a"], "--run-id needs --ledger"),
        ([], "name run folders or a --ledger"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(script, monkeypatch, capsys, arguments, answer):
    monkeypatch.chdir(ROOT)
    assert script(*arguments) == 2
    assert answer in capsys.readouterr().err


def test_what_wandb_refuses_is_one_line(evidence, script, tmp_path, capsys):
    folder, _ = evidence
    capsys.readouterr()
    assert script(folder, "--output-root", tmp_path, "--mode", "offline", "--project", "a/b") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: W&B did not accept cifar100-small-carelu-s0-")
    assert error.count("\n") == 1


def test_a_record_does_not_say_where_it_is_sent(evidence, tmp_path):
    folder, _ = evidence
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["logger"] = {"name": "wandb", "project": "theirs", "entity": "them", "tags": []}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (recorded,) = runs_in(folder)
    assert recorded.note == "the run names --project theirs --entity them"
    replay(recorded, OFFLINE, tmp_path)
    assert (only_run(tmp_path).run.project, only_run(tmp_path).run.entity) == ("carelu", "")


@pytest.mark.parametrize("line", ["output_root: ${oc.env:SECRET}", "x: [1, {y: 'a ${oc.env:SECRET}'}]", "'${a}': 1"])
def test_a_record_that_would_read_this_machine_is_refused(evidence, monkeypatch, line):
    folder, published = evidence
    monkeypatch.setenv("SECRET", "revealed")
    (folder / "config.yaml").write_text(line)
    with pytest.raises(BadInput, match=r"config\.yaml holds the interpolation .*\$\{") as caught:
        runs_in(folder)
    assert "revealed" not in str(caught.value)
    (place,) = (published.parent / "configs").iterdir()
    place.write_text(line)
    with pytest.raises(BadInput, match="holds the interpolation"):
        runs_of(published)
