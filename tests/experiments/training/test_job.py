"""`python run.py` as a person types it."""

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from experiments.analysis.numbers import fixed
from experiments.configuration.composition import launchers, options_of
from experiments.tasks.cifar100 import spec
from experiments.tasks.cifar100.spec import SPEC
from experiments.tasks.cifar100.task import CIFAR100
from experiments.tasks.text import dataset
from experiments.training.job import Ending
from tests import forked
from tests.conftest import ROOT, TINY_NETWORK, run_command
from tests.experiments.distributed.test_processes import few
from tests.experiments.tasks.superres.test_task import save_images

TINY = ["data=sample", "recipe=small", *TINY_NETWORK["cifar100"], "trainer.epochs=1", "trainer.max_steps=2"]


def test_a_mistyped_activation_is_answered_in_one_line_before_torch_is_imported():
    command = [sys.executable, "-X", "importtime", str(ROOT / "run.py"), "task=cifar100", "act=cralu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 2
    assert len(lines) == 1
    assert "did you mean carelu" in lines[0]
    imported = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "omegaconf" in imported
    assert not {"torch", "torchvision", "wandb"} & imported


def test_help_lists_every_option_of_every_group():
    done = run_command("--help")
    assert done.returncode == 0
    for group in ("task", "act", "recipe", "data", "model", "optim", "logger"):
        for word, meaning in options_of(group).items():
            if group in ("task", "act", "optim", "logger"):
                assert meaning in done.stdout
            assert word in done.stdout
    for word, meaning in {**options_of("experiment"), **launchers()}.items():
        assert word in done.stdout
        assert meaning in done.stdout


def test_the_first_screen_of_help_shows_runs_sweeps_experiments_and_launchers():
    screen = "\n".join(run_command("--help").stdout.splitlines()[:24])
    for said in ("act=carelu", "-m act=", "-m +experiment=paper_all", "hydra/launcher=pool", "submitit_slurm"):
        assert said in screen


@pytest.mark.slow
def test_a_run_says_what_it_does_and_how_it_ended(tmp_path):
    done = run_command("act=carelu", *TINY, f"output_root={tmp_path}")
    assert done.returncode == 0, done.stderr
    for said in ("activation carelu", "resnet18-w2", "cifar100-sample", "epoch   1/1", "top1", "compare with"):
        assert said in done.stdout
    assert done.stderr == ""


# How a run ended


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "state", "code"),
    [
        ((), "done", 0),
        (("optim.optimizer.lr=1e9", "trainer.epochs=5"), "diverged", 3),
        (("optim.optimizer.name=SGDD",), "failed", 2),
    ],
)
def test_an_ending_says_in_a_word_how_it_ended(run_in_sweep, overrides, state, code):
    ending = run_in_sweep(*overrides)
    assert (ending.state, ending.code) == (state, code)
    assert (ending.value is not None) == (state == "done")
    assert bool(ending.reason) == (state != "done")


@pytest.mark.slow
def test_a_sweeper_gets_a_number_of_which_more_is_better():
    assert Ending("done", 0, metric="top1", value=45.0).objective == 45.0
    assert Ending("done", 0, metric="loss", value=2.5, higher_is_better=False).objective == -2.5
    for state, higher_is_better in (("diverged", True), ("failed", False)):
        assert Ending(state, 3, higher_is_better=higher_is_better).objective == -math.inf


@pytest.mark.slow
def test_the_direction_is_that_of_the_headline(run_in_sweep, monkeypatch):
    assert run_in_sweep().higher_is_better
    metrics = {**SPEC.metrics, "top1": replace(SPEC.metrics["top1"], higher_is_better=False)}
    monkeypatch.setattr(spec, "SPEC", replace(SPEC, metrics=metrics))
    ending = run_in_sweep()
    assert ending.objective == -ending.value


@pytest.mark.slow
def test_the_panel_of_a_run_shows_the_difference_to_relu(run_in_sweep, capsys):
    relu = run_in_sweep("act=relu")
    assert "minus" not in capsys.readouterr().out
    carelu = run_in_sweep("act=carelu")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "minus" in line]
    assert line.strip("│ ").split() == [
        "minus",
        "relu",
        *f"{fixed(carelu.value - relu.value, 2, True)} points with this seed".split(),
    ]


def test_a_run_asked_for_again_was_there_before(run_in_sweep):
    assert run_in_sweep().state == "done"
    assert run_in_sweep().state == "skipped"


@pytest.mark.slow
def test_a_stopped_run_is_resumed(run_in_sweep, monkeypatch):
    usual = CIFAR100.loss

    def stopping(self, model, batch):
        signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", stopping)
        assert run_in_sweep().state == "stopped"
    assert run_in_sweep().state == "resumed"


def test_a_run_with_a_traceback_has_failed(run_in_sweep, monkeypatch):
    monkeypatch.setattr(CIFAR100, "build_model", lambda *_: 1 / 0)
    ending = run_in_sweep()
    assert (ending.state, ending.code) == ("failed", 1)
    assert "ZeroDivisionError" in ending.reason


# Kills and signals


KILLED = {
    "cifar100": [*TINY, "trainer.epochs=12", "trainer.max_steps=null", "trainer.batch_size=20"],
    "superres": [
        *("data=folder", "recipe=small", "model.blocks=1", "model.features=4", "task.patch=8"),
        *("task.steps_per_epoch=60", "trainer.epochs=3", "trainer.evaluate_every=1"),
    ],
    "text": [
        *("data=sample", "data.vocabulary_size=500", "data.tokens_per_batch=1024", "recipe=small"),
        *("model.layers=1", "model.width=16", "model.head_size=8"),
    ],
}
"""Small runs of some seconds."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "moments", "epochs"),
    [("cifar100", (0.2, 0.7, 1.2), 12), ("superres", (0.3, 1.5), 3), ("text", (0.3, 1.0), 3)],
)
def test_a_killed_run_ends_equal_to_one_that_was_never_killed(
    tmp_path, tiny_cifar100, monkeypatch, task, moments, epochs
):
    """SIGKILL some seconds after the header, in set-up, training and evaluation; the same command each time."""
    settings = [f"task={task}", "act=carelu", *KILLED[task], "trainer.checkpoint_minutes=0.005"]
    if task == "text":
        monkeypatch.setattr(dataset, "load", few(dataset.load, 500))
        settings.append(f"data.cache={tmp_path / 'tokens'}")
    if task == "superres":
        save_images(tmp_path / "train", [(60, 70)])
        save_images(tmp_path / "test", [(60, 70), (70, 60)])
        settings.extend([f"data.train={tmp_path / 'train'}", f"data.test={tmp_path / 'test'}"])
    whole = forked.run(["run.py", *settings, f"output_root={tmp_path / 'whole'}"])
    assert whole.returncode == 0, whole.stderr
    command = ["run.py", *settings, f"output_root={tmp_path / 'killed'}"]
    for seconds in moments:
        process = forked.Command(command)
        process.wait_until(lambda process=process: "\ndirectory" in process.stdout)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = forked.run(command)
    assert done.returncode == 0, done.stderr
    weights, records = [], []
    for name in ("whole", "killed"):
        (folder,) = (file.parent for file in (tmp_path / name).rglob("result.json"))
        weights.append(torch.load(folder / "checkpoint.pt", weights_only=True)["model"])
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        records.append([{key: value for key, value in line.items() if key != "seconds"} for line in lines])
    assert all(torch.equal(weights[1][name], value) for name, value in weights[0].items())
    assert records[1] == records[0]
    assert [record["epoch"] for record in records[0]] == list(range(epochs + 1))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_run_with_its_own_exit_code(tmp_path, tiny_cifar100, number):
    settings = ["act=relu", *TINY, "trainer.epochs=100", "trainer.max_steps=null", f"output_root={tmp_path}"]
    process = forked.Command(["run.py", *settings])
    process.wait_until(lambda: "\nepoch" in process.stdout)
    process.send_signal(number)
    assert process.wait(timeout=60) == 75, process.stderr
    assert "repeat the same command" in process.stdout
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == 1
