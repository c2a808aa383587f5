"""The pool: runs jobs as processes `python run.py …` on this machine, each bound to a GPU or its share of the cores."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.sweep.job import POOL_JOB
from experiments.sweep.record import SweepFolder
from experiments.training.job import FAILED, STOPPED, Ending

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Worker:
    """The resources of one worker: a GPU, by its name in CUDA_VISIBLE_DEVICES, or None; and CPU threads."""

    gpu: str | None
    threads: int


def workers_of(workers: int | None, per_gpu: int, gpus: Sequence[str], cores: int) -> list[Worker]:
    """The workers of a machine with `gpus` and `cores`; `workers` and `per_gpu` as in `hydra/launcher=pool`."""
    count = workers or per_gpu * len(gpus) or cores
    threads = max(1, cores // count)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdecimal():
        threads = min(threads, int(limit))
    return [Worker(gpus[index % len(gpus)] if gpus else None, threads) for index in range(count)]


def run_pool(
    jobs: Mapping[int, list[str]],
    workers: Sequence[Worker],
    folder: SweepFolder,
    command: Callable[[list[str], Worker], list[str]],
) -> None:
    """Runs jobs, one at a time per worker; returns when all have ended or the sweep is stopped.

    Args:
        jobs: the overrides of each job, by its number in the sweep.
        workers: the resources of each worker.
        folder: records the outcome of each job.
        command: the command line of a job with such overrides, for a worker.
    """
    waiting, free = list(jobs.items()), list(workers)
    running: dict[subprocess.Popen, tuple[int, Worker]] = {}
    stopping = False
    try:
        while running or (waiting and not stopping):
            if not stopping and folder.stop_requested():
                stopping = True
                for process in running:
                    process.terminate()  # it writes a checkpoint first
            while waiting and free and not stopping:
                (number, overrides), worker = waiting.pop(0), free.pop(0)
                folder.begin(number, overrides)
                running[start_job(number, worker, folder, command(overrides, worker))] = number, worker
            time.sleep(_POLL_SECONDS)
            for process in [process for process in running if process.poll() is not None]:
                number, worker = running.pop(process)
                free.append(worker)
                if folder.ending(number) is None:
                    folder.end(number, _unreported_ending(process.returncode, folder.log(number), stopping))
    finally:
        for process in running:  # after a second signal, which acts at once
            process.terminate()


def start_job(number: int, worker: Worker, folder: SweepFolder, command: list[str]) -> subprocess.Popen:
    """Starts the process of job `number`, its output going to the job's log."""
    bound = {"OMP_NUM_THREADS": str(worker.threads)}
    if worker.gpu is not None:
        bound["CUDA_VISIBLE_DEVICES"] = worker.gpu
    report_to = {POOL_JOB: str(folder.job_file(number).absolute()), "PYTHONUNBUFFERED": "1"}
    with folder.log(number).open("ab") as log:
        return subprocess.Popen(
            command,
            env={**os.environ, **bound, **report_to},
            stdin=subprocess.PIPE,  # closes when the coordinator ends, however it ends
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the coordinator
        )


def _unreported_ending(code: int, log: Path, stopping: bool) -> Ending:
    """The outcome of a job whose process reported none."""
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
    """The cores that this process may use, by its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no cgroup v2, or "max" for no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores
