"""The coordinator: the process that hands a sweep's jobs to Hydra, shows their progress and stops them on a signal."""

import contextlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from experiments.configuration.command_line import SweepPlan
from experiments.configuration.composition import literal
from experiments.errors import BadInput
from experiments.sweep.record import Conclusion, Job, SweepFolder
from experiments.sweep.report import exit_code, is_done, labels, outcome, progress, summary
from experiments.sweep.slurm import prepare_launcher
from experiments.training.job import BAD_INPUT, FAILED, STOPPED
from experiments.training.signals import HANGUP, stop_signals

_POLL_SECONDS = 1.0

_LOGS = {"pool": "; logs: {}/*.log", "submitit_slurm": "; logs: {}/.submitit/*/*.out"}
"""Where the output of the jobs goes, by launcher; with the others, to the terminal."""


def coordinate(plan: SweepPlan, hydra_main: Callable[[], None]) -> int:
    """Performs a sweep; returns its exit code, the largest of its jobs'.

    Args:
        plan: the sweep that the command line describes.
        hydra_main: performs what sys.argv describes.
    """
    if plan.verdict:
        from experiments.sweep.adaptive import seeds_before_a_verdict  # SciPy takes a second to import

        seeds_before_a_verdict(plan.comparisons, plan.verdict)
    try:
        folder = SweepFolder.create(plan.folder, plan.jobs or [], plan.launcher, plan.comparisons)
    except OSError as error:
        raise BadInput(f"hydra.sweep.dir={plan.folder} cannot be written: {error.strerror}; name another") from error
    sys.argv.append(f"hydra.sweep.dir={literal(str(folder.path.absolute()))}")
    if plan.launcher == "submitit_slurm":
        prepare_launcher()
    print(f"sweep{_size(plan)}{_LOGS.get(plan.launcher, '').format(folder.path)}", flush=True)
    began = time.time()
    with _stop_on_signal(folder), _progress_lines(folder):
        code = _perform(hydra_main, folder)
    jobs = folder.jobs()
    print(summary(jobs, time.time() - began, str(folder.path)), flush=True)
    _print_comparison(plan, jobs, folder.conclusion())
    if plan.logger.name == "wandb" and any(map(is_done, jobs)):
        from experiments.report.wandb_comparison import log_comparison  # imports what draws the figures

        log_comparison(plan.ledger, plan.logger, print)
    stopped = code == STOPPED or folder.stop_requested()
    return max(exit_code(jobs, stopped), code)


def _size(plan: SweepPlan) -> str:
    """How many runs the sweep has, as far as that is known."""
    if plan.verdict:
        most = plan.verdict.max_seeds * sum(len(each.activations) for each in plan.comparisons)
        return f" of at most {most} runs, by hydra/sweeper={plan.sweeper}"
    if plan.jobs is None:
        return f" by hydra/sweeper={plan.sweeper}"
    return f" of {len(plan.jobs)} run{'s' * (len(plan.jobs) != 1)}"


def _print_comparison(plan: SweepPlan, jobs: Sequence[Job], conclusion: Conclusion | None) -> None:
    """Prints what the runs that are done say of their activations, and why a sweep for a verdict ended."""
    run_ids = {job.ending.run_id for job in jobs if job.ending and job.ending.value is not None}
    if run_ids:
        _print_text(plan, run_ids, conclusion)
    if conclusion:
        print("\n".join(conclusion.sentences), flush=True)
    elif plan.verdict:
        print("ended before a verdict; repeat the command to go on", flush=True)


def _print_text(plan: SweepPlan, run_ids: set[str], conclusion: Conclusion | None) -> None:
    from experiments.report.terminal import comparison_text  # SciPy takes a second to import

    try:
        baseline, margin = conclusion and conclusion.baseline, plan.verdict and plan.verdict.margin
        text = comparison_text(plan.ledger, run_ids, baseline, margin)
    except BadInput as error:
        text = f"no comparison: {error}"
    if text:
        print(f"\n{text}", flush=True)


def _perform(hydra_main: Callable[[], None], folder: SweepFolder) -> int:
    """Lets Hydra perform the sweep; returns 0, STOPPED if a signal ended it, FAILED if the launcher or sweeper did."""
    try:
        hydra_main()
    except KeyboardInterrupt:
        return STOPPED
    except SystemExit as end:  # of a run that was stopped, or of Hydra, which has printed what is wrong
        return STOPPED if end.code == STOPPED else FAILED if end.code else 0
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except Exception as error:  # of the launcher or sweeper; a run reports its own errors
        trace = folder.path / "traceback.txt"
        trace.write_text(traceback.format_exc(), encoding="utf-8")
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        print(f"error: hydra/launcher={folder.about['launcher']} failed: {reason} (see {trace})", file=sys.stderr)
        return FAILED
    return 0


@contextlib.contextmanager
def _stop_on_signal(folder: SweepFolder) -> Iterator[None]:
    """Makes Ctrl-C, SIGTERM and SIGHUP stop the jobs with a checkpoint; a second Ctrl-C or SIGTERM acts at once.

    With the basic launcher the job runs in this process and handles the signal itself.
    """

    def request_stop(number: int, frame: FrameType | None) -> None:
        print("stopping: running jobs write a checkpoint, no other begins", flush=True)
        folder.request_stop()
        for each in before.keys() - {HANGUP}:
            signal.signal(each, signal.default_int_handler)

    handler = signal.default_int_handler if folder.about["launcher"] == "basic" else request_stop
    before = {number: signal.signal(number, handler) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress_lines(folder: SweepFolder) -> Iterator[None]:
    """Prints a line whenever a job ends whose own output goes elsewhere."""
    if folder.about["launcher"] == "basic":
        yield
        return
    over, printed = threading.Event(), set()

    def print_new() -> None:
        jobs = folder.jobs()
        new = [(job, label) for job, label in zip(jobs, labels(jobs), strict=True) if job.ending]
        new = [(job, label) for job, label in new if (*job.overrides, job.ended) not in printed]
        for job, label in new:
            printed.add((*job.overrides, job.ended))
            print(f"{label}: {job.state}, {outcome(job)}")
        if new:
            print(f"sweep: {progress(jobs, time.time())}", flush=True)

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            print_new()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        print_new()
