"""The pool: runs jobs as processes `python run.py …` on this machine, each bound to a GPU or its share of the cores."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from experiments.configuration.composition import ROOT
from experiments.sweep.job import POOL_JOB
from experiments.sweep.record import SweepFolder
from experiments.training.job import FAILED, STOPPED, Ending

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Worker:
    """What the jobs of one worker may use: a GPU, by its name in CUDA_VISIBLE_DEVICES, or None; and CPU threads."""

    gpu: str | None
    threads: int


def workers_of(
    workers: int | None, per_gpu: int, gpus: Sequence[str], cores: int, thread_limit: int | None = None
) -> list[Worker]:
    """The workers of a machine with `gpus` and `cores`; `workers` and `per_gpu` as in `hydra/launcher=pool`."""
    count = workers or per_gpu * len(gpus) or cores
    threads = min(max(1, cores // count), thread_limit or cores)
    return [Worker(gpus[index % len(gpus)] if gpus else None, threads) for index in range(count)]


def run_pool(
    batch: Sequence[list[str]],
    first_number: int,
    path: Path,
    compose: Callable[[list[str]], DictConfig],
    options: Sequence[str],
    workers: int | None,
    per_gpu: int,
) -> list[float | None]:
    """Runs a batch of jobs, several at once; returns the headline value of each, None for one that has none.

    Args:
        batch: the overrides of each job.
        first_number: the number of the first job in the sweep.
        path: the sweep's folder.
        compose: the configuration of a job with such overrides.
        options: further options of the command `python run.py`.
        workers, per_gpu: as in `hydra/launcher=pool`.

    Raises:
        SystemExit: the sweep was stopped; its jobs have written checkpoints.
    """
    gpus = [] if compose(batch[0]).trainer.device == "cpu" else visible_gpus()
    limit = os.environ.get("OMP_NUM_THREADS", "")
    pool = workers_of(workers, per_gpu, gpus, usable_cores(), int(limit) if limit.isdecimal() else None)
    folder = SweepFolder(path)

    def command(overrides: list[str], worker: Worker) -> list[str]:
        settings = compose(overrides).trainer
        # The number of threads is part of what is computed on a CPU, so the run must know it.
        is_open = worker.gpu is None and "threads" in settings and settings.threads is None
        threads = [f"trainer.threads={worker.threads}"] if is_open else []
        return [sys.executable, str(ROOT / "run.py"), *options, *overrides, *threads]

    place = "a GPU each" if gpus else f"{pool[0].threads} CPU thread{'s' * (pool[0].threads > 1)} each"
    print(f"pool of {len(pool)} worker{'s' * (len(pool) > 1)}, {place}", flush=True)
    jobs = [(number, overrides) for number, overrides in enumerate(batch, first_number)]
    _run(jobs, pool, folder, command)
    if folder.stop_requested():
        sys.exit(STOPPED)
    endings = [folder.ending(number) for number, _ in jobs]
    return [ending.value if ending else None for ending in endings]


@dataclass
class _Process:
    """A job under way."""

    number: int
    worker: Worker
    process: subprocess.Popen


def _run(
    jobs: Sequence[tuple[int, list[str]]],
    pool: Sequence[Worker],
    folder: SweepFolder,
    command: Callable[[list[str], Worker], list[str]],
) -> None:
    waiting, free, running = list(jobs), list(pool), []
    stopping = False
    try:
        while running or (waiting and not stopping):
            if not stopping and folder.stop_requested():
                stopping = True
                for each in running:
                    each.process.terminate()  # it writes a checkpoint first
            while waiting and free and not stopping:
                (number, overrides), worker = waiting.pop(0), free.pop(0)
                process = _start(command(overrides, worker), folder, number, overrides, worker)
                running.append(_Process(number, worker, process))
            time.sleep(_POLL_SECONDS)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                free.append(each.worker)
                if folder.ending(each.number) is None:
                    folder.end(each.number, _unreported_ending(each, folder, stopping))
    finally:
        for each in running:  # after a second signal, which acts at once
            each.process.terminate()


def _start(
    command: list[str], folder: SweepFolder, number: int, overrides: list[str], worker: Worker
) -> subprocess.Popen:
    environment = {
        **os.environ,
        POOL_JOB: str(folder.job_file(number).absolute()),
        "OMP_NUM_THREADS": str(worker.threads),
    }
    environment["PYTHONUNBUFFERED"] = "1"  # so that the log can be followed
    if worker.gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = worker.gpu
    folder.begin(number, overrides)
    with folder.log(number).open("ab") as log:
        # A session of its own, as Ctrl-C in the terminal is for the coordinator. The pipe closes when the
        # coordinator is gone, however it ended.
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _unreported_ending(job: _Process, folder: SweepFolder, stopping: bool) -> Ending:
    """How a job ended whose process reported nothing."""
    code, log = job.process.returncode, folder.log(job.number)
    if stopping or code == STOPPED:
        return Ending("stopped", STOPPED, "before its training began")
    if code < 0:
        name = signal.Signals(-code).name
        guess = ", perhaps out of memory" if name == "SIGKILL" else ""
        return Ending("failed", FAILED, f"its process was killed by {name}{guess} (see {log})")
    return Ending("failed", code or FAILED, f"its process ended with exit code {code} (see {log})")


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, by their names in CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return names.split(",")[:count] if names else [str(index) for index in range(count)]


def usable_cores() -> int:
    """The cores that this process may use, as its affinity and its container's quota allow."""
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with contextlib.suppress(OSError, ValueError):  # no cgroup v2, or "max" for no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        limits.append(max(1, int(quota) // int(period)))
    return min(limits)
