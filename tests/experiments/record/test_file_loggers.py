"""Curves as CSV and as TensorBoard's event files, in the run's folder."""

import csv
import importlib.util
import signal

import pytest

from experiments.errors import BadInput
from experiments.record.file_loggers import check_packages
from experiments.record.run_directory import read_metrics
from experiments.tasks.cifar100.task import CIFAR100


def rows(file):
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_csv_has_a_row_for_each_record_and_every_so_many_steps(run, capsys):
    folder = run("act=carelu", "logger=csv", "logger.every_steps=1").identity.directory
    records, epochs, steps = (
        read_metrics(folder / "metrics.jsonl"),
        rows(folder / "epochs.csv"),
        rows(folder / "steps.csv"),
    )
    assert [row["epoch"] for row in epochs] == ["0", "1", "2"]
    assert float(epochs[2]["top1"]) == records[2]["top1"] and epochs[0]["top1"] == ""
    layer, learned = next(iter(records[2]["activations"].items()))
    assert float(epochs[2][f"activations/{layer}/alpha"]) == learned["alpha"]
    assert [row["step"] for row in steps] == ["1", "2", "4", "5"]  # 3 and 6 end an epoch, which has its own row
    assert {"train_step/loss", "train_step/top1", "train_step/learning_rate"} <= steps[0].keys()
    assert f"logger csv: {folder / 'epochs.csv'}" in capsys.readouterr().out


def test_without_steps_there_is_no_file_of_them(run):
    folder = run("logger=csv", "logger.every_steps=null").identity.directory
    assert (folder / "epochs.csv").exists() and not (folder / "steps.csv").exists()


def test_a_resumed_run_has_each_row_once(run, monkeypatch):
    usual, seen = CIFAR100.loss, []

    def interrupted(self, model, batch):
        seen.append(1)
        if len(seen) == 5:
            signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    monkeypatch.setattr(CIFAR100, "loss", interrupted)
    words = ("logger=csv", "logger.every_steps=1")
    stopped = run(*words)
    assert stopped.result is None
    folder = run(*words).identity.directory
    assert [row["epoch"] for row in rows(folder / "epochs.csv")] == ["0", "1", "2"]
    assert [row["step"] for row in rows(folder / "steps.csv")] == ["1", "2", "4", "5"]


@pytest.mark.slow
def test_a_run_that_starts_again_starts_its_files_again(run):
    run("logger=csv", "logger.every_steps=1")
    folder = run("logger=csv", "logger.every_steps=null", "force=true").identity.directory
    assert [row["epoch"] for row in rows(folder / "epochs.csv")] == ["0", "1", "2"]
    assert not (folder / "steps.csv").exists() and (folder / "replaced/1/steps.csv").exists()


def test_the_package_that_tensorboard_needs_is_named_before_any_work(run, monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_packages(["csv", "wandb"])
    with pytest.raises(BadInput, match="logger=tensorboard needs the package tensorboard; install it: pip install"):
        run("logger=tensorboard")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_tensorboard_gets_the_curves(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run("act=carelu", "logger=tensorboard", "logger.every_steps=1").identity.directory
    found = EventAccumulator(str(folder / "tensorboard")).Reload()
    records = read_metrics(folder / "metrics.jsonl")
    assert [(each.step, each.value) for each in found.Scalars("top1")] == [
        (record["step"], pytest.approx(record["top1"])) for record in records[1:]
    ]
    assert [each.step for each in found.Scalars("train_step/loss")] == [1, 2, 4, 5]
