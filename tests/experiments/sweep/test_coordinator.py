"""A sweep from the command line: every launcher, a failed run, signals and kills."""

import csv
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiments.configuration.command_line import SweepPlan
from experiments.report import wandb_comparison
from experiments.sweep import coordinator
from experiments.sweep.record import SweepFolder
from experiments.training.job import Ending
from tests import forked
from tests.conftest import TINY_NETWORK

TINY = ["data=sample", "recipe=small", *TINY_NETWORK["cifar100"], "trainer.epochs=1", "trainer.max_steps=2"]

TIMES = ("wall_seconds", "step_milliseconds", "peak_memory_mib", "finished_at")
"""The columns of the ledger that differ between two sweeps of one command."""


@pytest.mark.parametrize(("logger", "compared"), [("wandb", ["ledger.csv"]), ("none", [])])
def test_a_sweep_that_logs_to_wandb_ends_with_its_comparison(tmp_path, monkeypatch, logger, compared):
    calls = []
    monkeypatch.setattr(wandb_comparison, "log_comparison", lambda ledger, logger, say: calls.append(ledger.name))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    settings = OmegaConf.create({"name": logger})
    plan = SweepPlan([["seed=0"]], tmp_path / "sweeps" / "a", "basic", Path("ledger.csv"), settings)

    def perform():
        SweepFolder(plan.folder).begin(0, ["seed=0"])
        SweepFolder(plan.folder).end(0, Ending("done", 0))

    assert coordinator.coordinate(plan, perform) == 0
    assert calls == compared


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "pool", "submitit_slurm"])
def test_a_failed_run_stops_no_other_and_the_summary_shows_each_outcome(tmp_path, slurm, launcher):
    swept = ["act=carelu", "optim.optimizer.name=SGDD,SGD"]
    command = ["-m", *swept, *TINY, f"output_root={tmp_path}", f"hydra/launcher={launcher}"]
    done = forked.run(["run.py", *command, *(["hydra.launcher.partition=gpu"] if launcher == "submitit_slurm" else [])])
    failed, finished = done.stdout[done.stdout.index("sweep of 2 runs in ") :].splitlines()[1:3]
    assert failed.split()[1] == "failed"
    assert "SGDD" in failed.split("failed")[1]
    assert finished.split()[1] == "done"
    assert "top1" in finished
    assert "sweep: 2 of 2 done\n" in done.stdout
    assert "1 done, 1 failed\n" in done.stdout
    assert done.returncode == 2
    assert [row["status"] for row in ledger_of(tmp_path)] == ["finished"]
    if launcher == "submitit_slurm":
        for option in ("--partition=gpu", "--gpus-per-node=1", "--time=240", "--requeue", "--signal=USR2@120"):
            assert option in slurm.read_text()


LONG = ["act=relu", "seed=0,1,2", *TINY, "trainer.epochs=100", "trainer.max_steps=null"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "number"), [("basic", signal.SIGTERM), ("pool", signal.SIGINT), ("pool", signal.SIGHUP)]
)
def test_a_signal_stops_a_sweep_with_checkpoints(tmp_path, tiny_cifar100, forked_jobs, launcher, number):
    settings = [*LONG, f"output_root={tmp_path}", f"hydra/launcher={launcher}"]
    if launcher == "pool":
        settings.append("hydra.launcher.workers=2")
    process = started(settings)
    running = 2 if launcher == "pool" else 1
    process.wait_until(lambda: len(list(tmp_path.rglob("metrics.jsonl"))) == running)
    if number == signal.SIGINT:  # as a terminal does: to every process of the command
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(timeout=120) == 75, process.stdout + process.stderr
    assert f"{running} stopped, {3 - running} not run" in process.stdout
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == running


def started(settings):
    return forked.Command(["run.py", "-m", *settings], group=True)


def ledger_of(output_root):
    with (output_root / "ledger.csv").open(encoding="utf-8") as stream:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(stream)]


@pytest.mark.slow
def test_a_sweep_killed_twice_at_random_and_repeated_has_the_ledger_of_an_undisturbed_one(tmp_path, tiny_cifar100):
    settings = ["act=relu,carelu", "seed=0,1", *TINY[:-2], "trainer.epochs=2", "trainer.batch_size=13"]
    settings.append("trainer.checkpoint_minutes=0.0001")
    assert forked.run(["run.py", "-m", *settings, f"output_root={tmp_path / 'whole'}"]).returncode == 0
    chance = random.Random()
    state = chance.getstate()[1][:2]
    killed = [*settings, f"output_root={tmp_path / 'killed'}"]
    for _kill in range(2):
        process = started(killed)
        before = len(list((tmp_path / "killed").rglob("metrics.jsonl")))
        target = before + chance.randrange(1, 3)
        process.wait_until(lambda target=target: len(list((tmp_path / "killed").rglob("metrics.jsonl"))) == target)
        time.sleep(chance.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = forked.run(["run.py", "-m", *killed])
    assert last.returncode == 0, last.stderr
    assert "skipped" in last.stdout
    assert ledger_of(tmp_path / "killed") == ledger_of(tmp_path / "whole"), f"chance was {state}"
    assert len(ledger_of(tmp_path / "whole")) == 4


@pytest.mark.slow
def test_the_runs_of_a_killed_parallel_sweep_stop_and_are_resumed(tmp_path, tiny_cifar100, forked_jobs):
    settings = ["act=relu", "seed=0,1", *TINY[:-1], "trainer.epochs=12", f"output_root={tmp_path}"]
    settings += ["hydra/launcher=pool", "hydra.launcher.workers=2"]
    process = started(settings)
    process.wait_until(lambda: len(list(tmp_path.rglob("metrics.jsonl"))) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    until_free(tmp_path)
    again = forked.run(["run.py", "-m", *settings])
    assert again.returncode == 0, again.stdout
    assert "2 resumed" in again.stdout


def until_free(output_root):
    """Waits until no process holds a run."""
    for _ in range(600):
        if not list(output_root.rglob("holder.json")):
            return
        time.sleep(0.1)
    pytest.fail(f"still running: {[json.loads(file.read_text()) for file in output_root.rglob('holder.json')]}")
