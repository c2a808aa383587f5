"""The text of a sweep: a line after each run, and a table at its end. Pure functions of the states of its jobs."""

from collections import Counter
from collections.abc import Sequence

from experiments.sweep.record import NOT_RUN, RUNNING, Job
from experiments.training.console import duration
from experiments.training.job import FAILED, STOPPED

_ORDER = ("done", "resumed", "skipped", "diverged", "failed", "stopped", NOT_RUN)
"""The states of a finished sweep's runs, as they are counted."""


def is_done(job: Job) -> bool:
    """Whether the job has ended and was not stopped, so that it need not be resumed."""
    return job.ending is not None and job.state != "stopped"


def labels(jobs: Sequence[Job]) -> list[str]:
    """What distinguishes each run: its overrides without those that all of them have."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    return [" ".join(override for override in job.overrides if override not in common) for job in jobs]


def seconds_left(jobs: Sequence[Job], now: float) -> float | None:
    """Estimated from the mean duration of the runs so far and how many run at once; None before the first has ended.

    Runs that were finished before the sweep took no time and are not counted.
    """
    ended = [job for job in jobs if is_done(job) and job.state != "skipped"]
    started = [job for job in jobs if job.began and job.state != "skipped"]
    to_do = [job for job in jobs if not is_done(job)]
    if not ended or not to_do:
        return None
    mean = sum(job.ended - job.began for job in ended) / len(ended)
    left = sum(max(mean - (now - job.began if job.began else 0), 0) for job in to_do)
    return left / at_once(started, now)


def at_once(jobs: Sequence[Job], now: float) -> float:
    """How many of these runs ran at once on average, at least 1."""
    started = [job for job in jobs if job.began and job.state != "skipped"]
    if not started:
        return 1.0
    work = sum((job.ended or now) - job.began for job in started)
    return max(work / max(now - min(job.began for job in started), 1e-9), 1.0)


def progress(jobs: Sequence[Job], now: float) -> str:
    """Like "3 of 12 done, about 14 min left"."""
    left = seconds_left(jobs, now)
    counted = f"{sum(map(is_done, jobs))} of {len(jobs)} done"
    return counted + (f", about {roughly(left)} left" if left is not None else "")


def outcome(job: Job) -> str:
    """The outcome of a run: its headline, or why it has none."""
    if job.ending is None:
        return "" if job.state == NOT_RUN else "its process ended without a report"
    headline = f"{job.ending.metric} {job.ending.value:.4g}" if job.ending.value is not None else ""
    return headline or " ".join(job.ending.reason.split())


def summary(jobs: Sequence[Job], seconds: float, folder: str) -> str:
    """The table at the end of a sweep, with the count of each outcome."""
    jobs_and_labels = list(zip(jobs, labels(jobs), strict=True))
    width = max((len(label) for _, label in jobs_and_labels), default=0)
    lines = [f"sweep of {len(jobs)} {'run' if len(jobs) == 1 else 'runs'} in {duration(seconds)}, {folder}"]
    for job, label in jobs_and_labels:
        took = duration(job.ended - job.began) if job.ending and job.state != "skipped" else ""
        lines.append(f"  {label:<{width}}  {final_state(job):<8}  {took:>12}  {outcome(job)}".rstrip())
    counts = Counter(map(final_state, jobs))
    lines.append(", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state]))
    if counts["skipped"]:
        lines.append("skipped: was finished before this sweep")
    if counts["failed"] or counts["stopped"] or counts[NOT_RUN]:
        lines.append("repeat the command to restart failed runs and resume the others")
    return "\n".join(lines)


def exit_code(jobs: Sequence[Job], was_stopped: bool) -> int:
    """The largest exit code of the runs; one that did not run counts as stopped, or as failed if no signal came."""
    missing = STOPPED if was_stopped else FAILED
    return max((job.ending.code if job.ending else missing for job in jobs), default=missing)


def final_state(job: Job) -> str:
    """The state of a run after the sweep: one that is still recorded as running has failed."""
    return "failed" if job.state == RUNNING else job.state


def roughly(seconds: float) -> str:
    """`seconds` as an estimate: "45 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600, 1):g} h"
