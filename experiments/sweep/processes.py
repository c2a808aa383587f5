"""The process of one run of a sweep: with Hydra's basic launcher the sweep's own, else one of its own.

A run that has its own process starts from a clean state, is bound to one GPU or to its share of the cores, and takes
nothing with it if it dies. The worker that joblib or submitit gave to Hydra only waits for it.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

import filelock
from omegaconf import DictConfig

from experiments.sweep.record import SweepFolder
from experiments.sweep.report import progress
from experiments.training.job import FAILED, STOPPED, Ending, run_job

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Share:
    """What one run of several may use: a GPU, by its name in CUDA_VISIBLE_DEVICES, or None; and CPU threads."""

    gpu: str | None
    threads: int


def share_of(worker: int, workers: int, gpus: Sequence[str], cores: int) -> Share:
    """The share of worker 0, 1, … of `workers` on a machine with `gpus` and `cores`."""
    return Share(gpus[worker % len(gpus)] if gpus else None, max(1, cores // workers))


def run_sweep_job(
    cfg: DictConfig, choices: dict[str, str], folder: SweepFolder, number: int, overrides: list[str]
) -> None:
    """Performs run `number` of a sweep, unless the sweep is being stopped, and notes how it ended."""
    launcher = folder.about["launcher"]
    if launcher == "basic":
        folder.begin(number, overrides)
        ending = run_job(cfg, choices)
        folder.end(number, ending)
        print(f"sweep: {progress(folder.jobs(), time.time())}", flush=True)
        if ending.code == STOPPED:  # the signal was meant for the whole sweep
            sys.exit(STOPPED)
        return
    if os.getpid() != folder.about["process"]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep's own process hears Ctrl-C and passes it on
    if launcher == "joblib":
        _end_with_parent(signal.SIGKILL)  # joblib's workers would wait for more to do
        import experiments.training.run  # noqa: F401  (torch is loaded once a worker, not once a run)
    with _turn(folder) as share:
        if not folder.must_stop():
            folder.begin(number, overrides)
            _perform_in_own_process(cfg, choices, folder, number, share)


@contextlib.contextmanager
def _turn(folder: SweepFolder) -> Iterator[Share | None]:
    """Waits until fewer than the wanted number of runs are under way on this machine; yields this run's share of it."""
    about = folder.about
    if not about["workers"]:  # a cluster gives each run what it asks for
        yield None
        return
    locks = [filelock.FileLock(folder.path / f"worker-{worker}.lock") for worker in range(about["workers"])]
    worker = _first_free(locks)
    while worker is None and not folder.must_stop():
        time.sleep(_POLL_SECONDS)
        worker = _first_free(locks)
    try:
        yield None if worker is None else share_of(worker, len(locks), about["gpus"], about["cores"])
    finally:
        if worker is not None:
            locks[worker].release()


def _first_free(locks: Sequence[filelock.BaseFileLock]) -> int | None:
    """Takes the first lock that nobody holds; the system frees it if this process dies."""
    for place, lock in enumerate(locks):
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=0)
            return place
    return None


def _perform_in_own_process(
    cfg: DictConfig, choices: dict[str, str], folder: SweepFolder, number: int, share: Share | None
) -> None:
    # Forked, so that a worker that has loaded torch (and done nothing with it) hands it on.
    process = multiprocessing.get_context("fork").Process(
        target=_perform, args=(cfg, choices, folder, number, share), daemon=False
    )
    process.start()
    with _pre_emption() as pre_empted:
        told = False
        while process.is_alive():
            process.join(_POLL_SECONDS)
            if not told and (pre_empted or folder.must_stop()):
                process.terminate()  # writes a checkpoint first
                told = True
        if not folder.has_ended(number):
            folder.end(number, _ending_without_a_word(process, folder.log(number), told))
    if process.exitcode == STOPPED and not told and folder.about["launcher"] == "submitit_slurm":
        sys.exit(STOPPED)  # Slurm ended it, and starts it again if it was pre-empted: no result, as it is not over


@contextlib.contextmanager
def _pre_emption() -> Iterator[list]:
    """A list that is no longer empty once the cluster wants the machine back; submitit is told when the run has ended.

    submitit's own handler queues the job again and exits at once, in the middle of whatever was under way.
    """
    received: list[tuple] = []
    if "SUBMITIT_EXECUTOR" not in os.environ:
        yield received
        return
    number = _pre_emption_signal()
    of_submitit = signal.signal(number, lambda *arguments: received.append(arguments))
    yield received
    if received:
        of_submitit(*received[0])


def _pre_emption_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


def _ending_without_a_word(process: BaseProcess, log: object, told: bool) -> Ending:
    code = process.exitcode
    if told or code == STOPPED:
        return Ending("stopped", STOPPED, "before its training began")
    if code < 0:
        name = signal.Signals(-code).name
        guess = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return Ending("failed", FAILED, f"its process was ended by {name}{guess} (see {log})")
    return Ending("failed", FAILED, f"its process ended with exit code {code} (see {log})")


def _perform(cfg: DictConfig, choices: dict[str, str], folder: SweepFolder, number: int, share: Share | None) -> None:
    """What a run's own process does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_pre_emption_signal(), signal.SIG_IGN)  # the worker heard it too
    if folder.about["launcher"] != "submitit_slurm":
        os.setpgid(0, 0)  # Ctrl-C in the terminal is for the sweep
    _end_with_parent(signal.SIGTERM)
    sys.stdout = sys.stderr = folder.log(number).open("a", buffering=1, encoding="utf-8")
    for stream in (1, 2):  # what does not go through Python
        os.dup2(sys.stdout.fileno(), stream)
    if share:
        _bind(share)
    ending = run_job(cfg, choices)
    folder.end(number, ending)
    sys.exit(ending.code)


def _bind(share: Share) -> None:
    if share.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = share.gpu
    import torch

    torch.set_num_threads(min(torch.get_num_threads(), share.threads))


def _end_with_parent(number: signal.Signals) -> None:
    """Lets the system send this process a signal when its parent is gone, however it went; only Linux can."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, number)
