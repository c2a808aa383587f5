"""One job: in this process, in a pool, or in a process of Hydra's launcher."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.configuration.standard_streams import make_output_lenient
from experiments.sweep.record import SweepFolder, write_ending
from experiments.sweep.report import progress
from experiments.sweep.slurm import requeue_if_preempted, requeueing
from experiments.training.job import STOPPED, Ending, run_job

POOL_JOB = "CARELU_POOL_JOB"
"""The environment variable with the file in which a process of the pool reports the outcome of its job."""

_POLL_SECONDS = 0.5


def joins_pool() -> bool:
    """Whether this process belongs to a pool; if so, it stops with a checkpoint when the coordinator dies."""
    if POOL_JOB not in os.environ:
        return False
    _signal_after(lambda: os.read(0, 1))  # the end of the pipe, to which the coordinator writes nothing
    return True


def perform_job(cfg: DictConfig, of_hydra: HydraConf) -> Ending:
    """Runs the job that Hydra composed and reports its outcome to the sweep, if there is one.

    Args:
        cfg: the configuration of the job.
        of_hydra: Hydra's own configuration.
    """
    choices = dict(of_hydra.runtime.choices)
    if of_hydra.mode != RunMode.MULTIRUN:
        ending = run_job(cfg, choices)
        if POOL_JOB in os.environ:
            write_ending(Path(os.environ[POOL_JOB]), ending)
        return ending
    folder, number = SweepFolder(Path(of_hydra.sweep.dir)), of_hydra.job.num
    if folder.stop_requested():
        return Ending("stopped", STOPPED, "before it began")
    folder.begin(number, list(of_hydra.overrides.task))
    if folder.about["launcher"] == "submitit_slurm":
        make_output_lenient()  # submitit started this process, not run.py
        _signal_after(lambda: _wait_for_stop(folder))
        with requeueing():
            ending = run_job(cfg, choices)
            folder.end(number, ending)
        if ending.code == STOPPED and not folder.stop_requested():
            requeue_if_preempted()
    else:
        ending = run_job(cfg, choices)
        folder.end(number, ending)
        print(f"sweep: {progress(folder.jobs(), time.time())}", flush=True)
    if (ending.code == STOPPED or ending.signalled) and not folder.stop_requested():
        sys.exit(STOPPED)  # the signal ends the sweep; for submitit, a job that Slurm ended is not over
    return ending


def _signal_after(wait: Callable[[], object]) -> None:
    """Sends this process SIGTERM, at which a run writes a checkpoint, when `wait` returns; waits in a thread."""

    def signal_then() -> None:
        wait()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=signal_then, daemon=True).start()


def _wait_for_stop(folder: SweepFolder) -> None:
    while not folder.stop_requested():
        time.sleep(_POLL_SECONDS)
