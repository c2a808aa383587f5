"""A sweep as a person types it: every launcher, one run that fails, signals, and kills."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from experiments.configuration.command_line import SweepPlan
from experiments.errors import BadInput
from experiments.report import wandb_comparison
from experiments.sweep import coordinator
from experiments.sweep.coordinator import workers_of
from experiments.sweep.record import SweepFolder
from experiments.training.job import Ending
from tests.conftest import ROOT, run_command

TINY = ["data=sample", "recipe=small", "model.width=2", "trainer.epochs=1", "trainer.max_steps=2"]

TIMES = ("wall_seconds", "step_milliseconds", "peak_memory_mib", "finished_at")
"""The columns of the ledger that differ between two sweeps of one command."""


# How many at once


def plan_of(launcher="joblib", n_jobs=-1, jobs_per_gpu=1, devices=("auto",)):
    ledger, logger = Path("ledger.csv"), OmegaConf.create({"name": "none"})
    return SweepPlan([["seed=0"]], Path("x"), launcher, n_jobs, jobs_per_gpu, frozenset(devices), ledger, logger)


@pytest.mark.parametrize(
    ("plan", "gpus", "cores", "workers"),
    [
        (plan_of(), 0, 2, 2),
        (plan_of(), 4, 64, 4),
        (plan_of(jobs_per_gpu=3), 4, 64, 12),
        (plan_of(jobs_per_gpu=3), 0, 8, 8),
        (plan_of(n_jobs=5), 4, 64, 5),
        (plan_of(n_jobs=1), 0, 8, 1),
    ],
)
def test_so_many_runs_are_under_way_as_the_machine_carries_unless_it_is_said(plan, gpus, cores, workers):
    assert workers_of(plan, gpus, cores) == workers


@pytest.mark.parametrize(
    ("named", "devices", "gpus"),
    [
        (None, ["auto"], ["0", "1", "2"]),
        ("", ["auto"], ["0", "1", "2"]),
        ("5,3,MIG-a", ["cuda"], ["5", "3", "MIG-a"]),
        ("5,3,MIG-a", ["cpu"], []),
    ],
)
def test_the_gpus_are_those_that_this_process_may_use(monkeypatch, named, devices, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert coordinator._machine(plan_of(devices=devices))["gpus"] == gpus


def test_a_gpu_of_its_own_and_a_launcher_that_gives_gpus_are_refused_together():
    with pytest.raises(BadInput, match=r"trainer\.device=cuda:1 .* CUDA_VISIBLE_DEVICES=1"):
        coordinator._machine(plan_of(devices=["cuda:1"]))


# Its end


@pytest.mark.parametrize(("logger", "compared"), [("wandb", ["ledger.csv"]), ("none", [])])
def test_a_sweep_that_wandb_mirrors_ends_with_its_comparison(tmp_path, monkeypatch, logger, compared):
    told = []
    monkeypatch.setattr(wandb_comparison, "log_comparison", lambda ledger, logger, say: told.append(ledger.name))
    monkeypatch.setattr(sys, "argv", ["run.py"])
    plan = replace(plan_of("basic"), folder=tmp_path / "sweeps" / "a", logger=OmegaConf.create({"name": logger}))

    def perform():
        SweepFolder(plan.folder).begin(0, ["seed=0"])
        SweepFolder(plan.folder).end(0, Ending("done", 0))

    assert coordinator.coordinate(plan, perform) == 0
    assert told == compared


# Every launcher


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A Slurm of three scripts: `sbatch` starts each job of an array at once, as `srun` would on its node."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    scripts = {
        "sbatch": f"""
            cp "${{@: -1}}" {folder}/submitted.sh
            last=$(sed -n 's/.*--array=0-\\([0-9]*\\).*/\\1/p' {folder}/submitted.sh)
            export SLURM_ARRAY_JOB_ID=9 SLURM_PROCID=0
            for task in $(seq 0 $last); do
                SLURM_JOB_ID=$((10 + task)) SLURM_ARRAY_TASK_ID=$task bash {folder}/submitted.sh > /dev/null 2>&1 &
            done
            echo Submitted batch job 9""",
        "srun": """
            while [[ "$1" == -* ]]; do [[ "$1" == --output || "$1" == --error ]] && shift; shift; done
            exec "$@" """,
        "sacct": "echo 'JobID|State|NodeList'; for task in 0 1; do echo \"9_$task|RUNNING|here\"; done",
    }
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "submitted.sh"


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local", "submitit_slurm"])
def test_a_sweep_goes_on_after_a_run_that_fails_and_says_at_its_end_how_each_ended(tmp_path, slurm, launcher):
    swept = ["act=carelu", "optim.optimizer.name=SGDD,SGD"]
    command = ["-m", *swept, *TINY, f"output_root={tmp_path}", f"hydra/launcher={launcher}"]
    done = run_command(*command, *(["hydra.launcher.partition=gpu"] if launcher == "submitit_slurm" else []))
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


def test_what_slurm_refuses_is_said_in_one_line(tmp_path, slurm):
    slurm.with_name("sbatch").write_text("#!/bin/bash\necho 'sbatch: error: invalid partition: gqu' >&2\nexit 1\n")
    done = run_command("-m", "seed=0,1", *TINY, f"output_root={tmp_path}", "hydra/launcher=submitit_slurm")
    said = done.stderr.splitlines()[-1]  # after what sbatch says itself
    assert "Traceback" not in done.stderr
    assert said.startswith("error: hydra/launcher=submitit_slurm gave up: sbatch: error: invalid partition: gqu (see ")
    assert "2 not run" in done.stdout
    assert done.returncode == 1


# Signals


LONG = ["act=relu", "seed=0,1,2", *TINY, "trainer.epochs=100", "trainer.max_steps=null"]


@pytest.mark.parametrize(("launcher", "number"), [("basic", signal.SIGTERM), ("joblib", signal.SIGINT)])
def test_a_signal_stops_a_sweep_with_checkpoints(tmp_path, launcher, number):
    settings = [*LONG, f"output_root={tmp_path}", f"hydra/launcher={launcher}"]
    if launcher == "joblib":
        settings.append("hydra.launcher.n_jobs=2")
    process = started(settings)
    under_way = 2 if launcher == "joblib" else 1
    until(lambda: len(list(tmp_path.rglob("metrics.jsonl"))) == under_way, process)
    if number == signal.SIGINT:  # as a terminal does: to every process of the command
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert f"{under_way} stopped, {3 - under_way} not run" in said
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == under_way


def started(settings):
    command = [sys.executable, str(ROOT / "run.py"), "-m", *settings]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **output)


def until(condition, process):
    """Waits for `condition`, at most while `process` lives."""
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def ledger_of(output_root):
    with (output_root / "ledger.csv").open(encoding="utf-8") as stream:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(stream)]


# Kills


def test_a_sweep_killed_at_random_and_asked_for_again_has_the_ledger_of_an_undisturbed_one(tmp_path):
    settings = ["act=relu,carelu,gelu", "seed=0,1", *TINY[:-1], "trainer.max_steps=10", "trainer.batch_size=64"]
    settings.append("trainer.checkpoint_minutes=0.0001")
    assert run_command("-m", *settings, f"output_root={tmp_path / 'whole'}").returncode == 0
    chance = random.Random()
    state = chance.getstate()[1][:2]
    killed = [*settings, f"output_root={tmp_path / 'killed'}"]
    for _kill in range(2):
        process = started(killed)
        before = len(list((tmp_path / "killed").rglob("metrics.jsonl")))
        target = before + chance.randrange(1, 3)
        until(lambda target=target: len(list((tmp_path / "killed").rglob("metrics.jsonl"))) == target, process)
        time.sleep(chance.uniform(0, 2))
        process.kill()
        process.communicate()
    last = run_command("-m", *killed)
    assert last.returncode == 0, last.stderr
    assert "skipped" in last.stdout
    assert ledger_of(tmp_path / "killed") == ledger_of(tmp_path / "whole"), f"chance was {state}"
    assert len(ledger_of(tmp_path / "whole")) == 6


def test_the_runs_of_a_killed_parallel_sweep_stop_and_are_resumed(tmp_path):
    settings = ["act=relu", "seed=0,1", *TINY[:-1], "trainer.max_steps=12", f"output_root={tmp_path}"]
    settings += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = started(settings)
    until(lambda: len(list(tmp_path.rglob("metrics.jsonl"))) == 2, process)
    process.kill()
    process.communicate(timeout=60)
    until_free(tmp_path)
    again = run_command("-m", *settings)
    assert again.returncode == 0, again.stdout
    assert "2 resumed" in again.stdout


def until_free(output_root):
    """Waits until no process holds a run any more."""
    for _ in range(600):
        if not list(output_root.rglob("holder.json")):
            return
        time.sleep(0.1)
    pytest.fail(f"still running: {[json.loads(file.read_text()) for file in output_root.rglob('holder.json')]}")
