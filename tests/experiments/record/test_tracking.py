"""W&B as a mirror: what a real offline run holds, and that its absence changes nothing."""

import json
import re
import signal

import pytest
import wandb
from omegaconf import OmegaConf
from PIL import Image

from experiments.configuration.composition import as_dict
from experiments.record.file_loggers import CSVLogger
from experiments.record.run_directory import read_metrics
from experiments.tasks.cifar100.batches import ImageBatches
from experiments.tasks.cifar100.task import CIFAR100
from tests.wandb_files import offline_runs

pytestmark = pytest.mark.usefixtures("no_login")


@pytest.fixture
def picture(monkeypatch):
    """Makes a run end with a picture among its artifacts; returns the picture."""

    def write_artifacts(self, model, splits, folder):
        picture.save(folder / "strip.png")
        (folder / "strip.json").write_text("{}")
        return [folder / "strip.png", folder / "strip.json"]

    picture = Image.new("RGB", (3, 2), "orange")
    monkeypatch.setattr(CIFAR100, "write_artifacts", write_artifacts)
    return picture


def test_an_offline_run_mirrors_the_local_record(run, picture):
    outcome = run("act=carelu", "logger=wandb", "logger.tags=[mine]")
    folder = outcome.identity.directory
    (mirrored,) = offline_runs(folder)
    assert mirrored.run.run_group.startswith("cifar100/small(")
    assert mirrored.run.job_type == "train"
    assert mirrored.run.display_name == "carelu-s0"
    assert {"cifar100", "carelu", "cifar100-sample", "mine"} <= set(mirrored.run.tags)
    assert mirrored.config == {
        **as_dict(OmegaConf.load(folder / "config.yaml")),
        "environment": json.loads((folder / "environment.json").read_text()),
        "run_id": outcome.identity.run_id,
        "command": outcome.identity.command,
    }
    *epochs, last = mirrored.history
    for record, values in zip(read_metrics(folder / "metrics.jsonl"), epochs, strict=True):
        learned = record.pop("activations")
        assert values.pop("_step") == record["epoch"]
        assert {key: values.pop(key) for key in record} == record
        assert values == {
            f"activations/{layer.replace('.', '_')}_{name}": value
            for layer, parameters in learned.items()
            for name, value in parameters.items()
        }
    assert last["epoch"] == 2
    assert Image.open(mirrored.file(last["pictures/strip"])).tobytes() == picture.tobytes()
    assert {key: mirrored.summary[key] for key in outcome.result} == outcome.result


def test_curves_are_drawn_over_epochs(run):
    (mirrored,) = offline_runs(run("logger=wandb").identity.directory)
    assert mirrored.step_metrics == {"*": "epoch"}


def test_steps_are_mirrored_between_the_epochs_where_they_are_asked_for(run, capsys):
    outcome = run("logger=wandb", "logger.every_steps=2")
    (mirrored,) = offline_runs(outcome.identity.directory)
    steps = [(values["_step"], values["epoch"], "train_step/loss" in values) for values in mirrored.history]
    # Two epochs of three steps: the record of an epoch is at its last step.
    assert steps == [(0, 0, False), (2, 0.6667, True), (3, 1, False), (4, 1.3333, True), (6, 2, False)]
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("W&B ")]
    assert line.startswith("W&B offline: ") and f"scripts/replay_wandb.py {outcome.identity.directory}" in line


def test_several_loggers_write_at_once_and_the_failure_of_one_is_one_line(run, monkeypatch, capsys):
    def fail(self, record):
        raise OSError("the disk is on fire")

    monkeypatch.setattr(CSVLogger, "log", fail)
    outcome = run("logger=wandb", "logger.also=[csv]")
    assert outcome.result["status"] == "finished"
    assert capsys.readouterr().out.count("note: logger=csv ends here (the disk is on fire)") == 1
    (mirrored,) = offline_runs(outcome.identity.directory)
    assert [values["epoch"] for values in mirrored.history] == [0, 1, 2]


@pytest.mark.slow
def test_a_resumed_run_resumes_the_same_wandb_run(run, monkeypatch):
    usual, begun = ImageBatches.__iter__, []

    def interrupted(self):
        begun.append(1)
        if len(begun) == 3:
            signal.raise_signal(signal.SIGTERM)
        return usual(self)

    with monkeypatch.context() as patch:
        patch.setattr(ImageBatches, "__iter__", interrupted)
        stopped = run("logger=wandb")
    assert stopped.result is None
    run("logger=wandb")
    first, second = offline_runs(stopped.identity.directory)
    assert first.run.run_id == second.run.run_id
    assert [values["epoch"] for values in first.history + second.history] == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["init", "log", "finish"])
def test_a_failure_of_wandb_is_one_line_and_changes_no_result(run, monkeypatch, capsys, tmp_path, broken):
    expected = run("act=carelu", f"output_root={tmp_path / 'without'}")

    class Unreachable:
        def __init__(self):
            self.summary, self.offline, self.dir = {}, True, "wandb/run/files"

        def __getattr__(self, name):
            def fail(*arguments, **options):
                if name == broken:
                    raise ConnectionError("network is unreachable")

            return fail

    def start(**options):
        if broken == "init":
            raise ConnectionError("network is unreachable")
        return Unreachable()

    monkeypatch.setattr(wandb, "init", start)
    capsys.readouterr()
    outcome = run("act=carelu", "logger=wandb")
    notes = re.findall(r"^note: .*W&B.*network is unreachable.*$", capsys.readouterr().out, re.MULTILINE)
    assert len(notes) == 1
    assert outcome.result["headline_value"] == expected.result["headline_value"]
    assert outcome.result["status"] == "finished"


def test_online_without_a_login_is_answered_without_a_question(run, capsys):
    assert run("logger=wandb", "logger.mode=online").result["status"] == "finished"
    assert "needs `wandb login`" in capsys.readouterr().out
