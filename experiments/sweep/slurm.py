"""Slurm support beyond Hydra's submitit launcher: pre-emption, stopping, and jobs that die."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from types import FrameType

from hydra.core.utils import JobReturn, JobStatus

from experiments.configuration.composition import ROOT
from experiments.errors import one_line
from experiments.sweep import PLUGINS


def prepare_launcher() -> None:
    """Lets submitit's jobs import this project, and its launcher wait for every job even if one dies."""
    import submitit

    results = submitit.SlurmJob.results

    def results_or_none(job: submitit.SlurmJob) -> list[JobReturn]:
        try:
            return results(job)
        except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
            print(f"Slurm job {job.job_id} has no result: {one_line(error)}", flush=True)
            return [JobReturn(status=JobStatus.COMPLETED, _return_value=None)]

    submitit.SlurmJob.results = results_or_none  # Hydra's launcher would exit at the first error
    path = [str(ROOT), str(PLUGINS), os.getenv("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))


@contextlib.contextmanager
def requeueing() -> Iterator[None]:
    """Stops the run with a checkpoint when Slurm pre-empts it, then lets submitit requeue the job.

    submitit's own handler requeues it immediately and exits without a checkpoint.
    """
    number = _preempt_signal()
    received: list[tuple[int, FrameType | None]] = []

    def stop_first(number: int, frame: FrameType | None) -> None:
        received.append((number, frame))
        signal.raise_signal(signal.SIGTERM)

    requeue = signal.signal(number, stop_first)
    try:
        yield
    finally:
        signal.signal(number, requeue)
    if received:
        requeue(*received[0])


def requeue_if_preempted() -> None:
    """Queues this job again, and ends its process, if Slurm pre-empts it with a time of grace.

    Slurm then sends SIGTERM, and takes a job that ends within that time for one that failed. A job that its user
    cancels, or that Slurm itself queues again, is left alone.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job and _is_preempted(job):
        signal.raise_signal(_preempt_signal())  # submitit's own handler queues the job again and exits


def _preempt_signal() -> signal.Signals:
    return signal.Signals[f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}"]


def _is_preempted(job: str) -> bool:
    """Whether Slurm, asked about a job, says that it runs and has a time of pre-emption."""
    try:
        shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = dict(re.findall(r"\b(JobState|PreemptTime)=(\S+)", shown))
    return found.get("JobState") == "RUNNING" and found.get("PreemptTime", "None") != "None"
