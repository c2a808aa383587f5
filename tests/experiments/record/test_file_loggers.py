"""Curves as CSV and as TensorBoard's event files, in the run's folder."""

import csv
import importlib.util
import signal
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from experiments.errors import BadInput
from experiments.record.file_loggers import CSVLogger, TensorBoardLogger, check_packages
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


def test_rows_of_an_earlier_attempt_after_the_last_checkpoint_are_dropped(tmp_path):
    (tmp_path / "epochs.csv").write_text("epoch,step,top1\n0,0,\n1,3,5.0\n2,6,7.0\n")
    (tmp_path / "steps.csv").write_text("step,train_step/loss\n1,4.0\n,3.0\n3,2.0\n4,1.0\n")
    logger = CSVLogger(tmp_path, 3)
    assert logger.place == str(tmp_path / "epochs.csv")
    assert [row["epoch"] for row in rows(tmp_path / "epochs.csv")] == ["0", "1"]
    assert [row["step"] for row in rows(tmp_path / "steps.csv")] == ["1", "3"]
    logger.log_step({"step": 5, "train_step/loss": 0.5})
    assert len(rows(tmp_path / "steps.csv")) == 2  # steps are written with the epoch, or at the end
    logger.finish(None)
    assert [row["step"] for row in rows(tmp_path / "steps.csv")] == ["1", "3", "5"]
    logger.log_step({"step": 6, "train_step/loss": 0.25})
    logger.log({"epoch": 2, "step": 6, "loss": 1.5})
    assert [row["step"] for row in rows(tmp_path / "steps.csv")] == ["1", "3", "5", "6"]
    assert rows(tmp_path / "epochs.csv")[2] == {"epoch": "2", "step": "6", "top1": "", "loss": "1.5"}


def test_a_new_run_begins_its_files_anew(tmp_path):
    for name in ("epochs.csv", "steps.csv"):
        (tmp_path / name).write_text("epoch,step\n1,3\n")
    CSVLogger(tmp_path, 0).log({"epoch": 0, "step": 0})
    assert rows(tmp_path / "epochs.csv") == [{"epoch": "0", "step": "0"}]
    assert rows(tmp_path / "steps.csv") == []


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


@pytest.fixture
def written(monkeypatch):
    """What is called of TensorBoard's writer, each call as (name, arguments, options); nothing is written."""
    calls = []

    class Writer:
        def __init__(self, *arguments, **options):
            calls.append(("open", arguments, options))

        def __getattr__(self, name):
            return lambda *arguments, **options: calls.append((name, arguments, options))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    return calls


@pytest.mark.parametrize(("done", "purged"), [(0, None), (6, 7)])
def test_tensorboard_hides_what_an_earlier_attempt_did_after_the_last_checkpoint(tmp_path, written, done, purged):
    logger = TensorBoardLogger(tmp_path, done)
    assert logger.place == str(tmp_path / "tensorboard")
    assert written == [("open", (logger.place,), {"purge_step": purged})]


def test_tensorboard_gets_records_and_steps_and_pictures_at_their_step(tmp_path, written):
    logger = TensorBoardLogger(tmp_path, 2)
    Image.new("L", (4, 3), 7).save(tmp_path / "strip.png")
    logger.show([tmp_path / "strip.png", tmp_path / "table.csv"])
    (_, (tag, pixels, step), options) = written.pop()
    assert (tag, step, options) == ("pictures/strip", 2, {"dataformats": "HWC"})
    assert pixels.shape == (3, 4, 3) and (pixels == 7).all()
    logger.log_step({"step": 3, "epoch": 0.5, "train_step/loss": 4.0})
    logger.log({"epoch": 1, "step": 6, "activations": {"act": {"alpha": 0.5}}})
    logger.show([tmp_path / "strip.png"])
    assert written[-1][1][2] == 6
    logger.finish(None)
    assert [(name, arguments) for name, arguments, _ in written[1:] if name != "add_image"] == [
        ("add_scalar", ("train_step/loss", 4.0, 3)),
        ("add_scalar", ("epoch", 1, 6)),
        ("add_scalar", ("activations/act/alpha", 0.5, 6)),
        ("flush", ()),
        ("close", ()),
    ]


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
