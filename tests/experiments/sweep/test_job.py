"""The process of one job: how it reports, stops and is queued again."""

import os
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hydra.types import RunMode

from experiments.sweep import job
from experiments.sweep.record import NOT_RUN, SweepFolder
from experiments.training.job import STOPPED, Ending

DONE = Ending("done", 0, run_id="a", metric="top1", value=45.23)
CHECKPOINT = Ending("stopped", STOPPED, "a checkpoint is written")
OVERRIDES = ["seed=0"]


@pytest.fixture
def sweep(tmp_path):
    """Makes the folder of a sweep of one job."""
    return lambda launcher: SweepFolder.create(tmp_path / "sweep", [OVERRIDES], launcher)


@pytest.fixture
def perform(monkeypatch):
    """Performs the only job of a sweep, with a function in place of the run."""

    def perform_in(folder, run, mode=RunMode.MULTIRUN):
        monkeypatch.setattr(job, "run_job", lambda cfg, choices: run())
        of_hydra = {
            "runtime": SimpleNamespace(choices={}),
            "mode": mode,
            "sweep": SimpleNamespace(dir=str(folder.path)),
            "job": SimpleNamespace(num=0),
            "overrides": SimpleNamespace(task=OVERRIDES),
        }
        return job.perform_job(None, SimpleNamespace(**of_hydra))

    return perform_in


def run_until_stopped():
    """A run that writes a checkpoint at SIGTERM."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        return CHECKPOINT
    finally:
        signal.signal(signal.SIGTERM, before)
    return DONE


@pytest.mark.parametrize("launcher", ["basic", "submitit_slurm"])
def test_a_job_records_how_it_ended(sweep, perform, launcher):
    folder = sweep(launcher)
    assert perform(folder, lambda: DONE) == DONE
    assert folder.ending(0) == DONE


def test_a_job_of_a_pool_reports_in_the_file_that_the_pool_names(sweep, perform, monkeypatch):
    folder = sweep("pool")
    folder.begin(0, OVERRIDES)
    monkeypatch.setenv(job.POOL_JOB, str(folder.job_file(0)))
    perform(folder, lambda: DONE, RunMode.RUN)
    assert folder.ending(0) == DONE


@pytest.mark.parametrize("launcher", ["basic", "submitit_slurm"])
def test_a_signal_to_a_job_ends_its_process_as_stopped(sweep, perform, launcher):
    """To submitit a job without a result is not over, so that Slurm can start it again."""
    folder = sweep(launcher)
    with pytest.raises(SystemExit) as end:
        perform(folder, lambda: CHECKPOINT)
    assert end.value.code == STOPPED
    assert folder.ending(0) == CHECKPOINT


def test_a_signal_that_came_too_late_to_stop_a_run_ends_its_sweep(sweep, perform):
    folder, late = sweep("basic"), replace(DONE, signalled=True)
    with pytest.raises(SystemExit) as end:
        perform(folder, lambda: late)
    assert end.value.code == STOPPED
    assert folder.ending(0) == late


def test_a_request_to_stop_reaches_a_job_on_a_cluster(sweep, perform):
    folder = sweep("submitit_slurm")
    threading.Timer(1.0, folder.request_stop).start()
    assert perform(folder, run_until_stopped) == CHECKPOINT


def test_no_job_begins_in_a_sweep_that_is_being_stopped(sweep, perform):
    folder = sweep("submitit_slurm")
    folder.request_stop()
    assert perform(folder, lambda: DONE).state == "stopped"
    assert folder.jobs()[0].state == NOT_RUN


def test_a_pre_empted_job_is_queued_again_after_its_checkpoint(sweep, perform):
    """submitit's handler of SIGUSR2 queues the job again and exits."""
    folder, states = sweep("submitit_slurm"), []

    def requeue(number, frame):
        states.append(folder.jobs()[0].state)
        raise SystemExit(-1)

    before = signal.signal(signal.SIGUSR2, requeue)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGUSR2)).start()
    try:
        with pytest.raises(SystemExit):
            perform(folder, run_until_stopped)
        assert signal.getsignal(signal.SIGUSR2) is requeue
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert states == ["stopped"]


def test_a_stopped_job_asks_whether_slurm_pre_empts_it(sweep, perform, monkeypatch):
    asked = []
    monkeypatch.setattr(job, "requeue_if_preempted", lambda: asked.append(folder.jobs()[0].state))
    folder = sweep("submitit_slurm")
    with pytest.raises(SystemExit):
        perform(folder, lambda: CHECKPOINT)
    assert asked == ["stopped"]


def test_a_job_of_a_sweep_that_is_being_stopped_is_not_queued_again(sweep, perform, monkeypatch):
    monkeypatch.setattr(job, "requeue_if_preempted", lambda: pytest.fail("asked"))
    folder = sweep("submitit_slurm")
    threading.Timer(1.0, folder.request_stop).start()
    assert perform(folder, run_until_stopped) == CHECKPOINT
