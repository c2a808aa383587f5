"""A sweep as its own process sees it: it hands the runs to Hydra, says how they go, and stops them in order."""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

from experiments.configuration.command_line import SweepPlan
from experiments.configuration.composition import ROOT, literal
from experiments.errors import BadInput
from experiments.sweep.record import SweepFolder
from experiments.sweep.report import exit_code, is_done, labels, outcome, progress, summary
from experiments.training.job import STOPPED

_POLL_SECONDS = 1.0


def coordinate(plan: SweepPlan, hydra_main: Callable[[], None]) -> int:
    """Performs a sweep; returns its exit code, the largest of its runs'.

    Args:
        plan: what the command line asks for.
        hydra_main: performs what sys.argv asks for.

    Raises:
        BadInput: the launcher cannot do what the plan asks for.
    """
    machine = _machine(plan)
    folder = SweepFolder.create(plan.folder, {"jobs": plan.jobs, "launcher": plan.launcher, **machine})
    sys.argv += [f"hydra.sweep.dir={literal(str(folder.path.absolute()))}", *_launcher_arguments(plan, machine)]
    count = f"{len(plan.jobs)} run{'' if len(plan.jobs) == 1 else 's'}"
    at_once = f", {machine['workers']} at once" if machine["workers"] else ""
    logs = "" if plan.launcher == "basic" else f"; what each says: {folder.path}/*.log"
    print(f"sweep of {count}{at_once}{logs}", flush=True)
    began = time.time()
    with _stopping_in_order(folder), _telling(folder):
        was_stopped = _perform(hydra_main, folder)
    jobs = folder.jobs()
    print(summary(jobs, time.time() - began, str(folder.path)), flush=True)
    if plan.logger.name == "wandb" and any(map(is_done, jobs)):
        from experiments.report.wandb_comparison import log_comparison  # loads what draws the figures

        log_comparison(plan.ledger, plan.logger, print)
    return exit_code(jobs, was_stopped or folder.was_asked_to_stop())


def _launcher_arguments(plan: SweepPlan, machine: dict[str, object]) -> list[str]:
    """What the launcher needs to be told beside what the command line says."""
    if plan.launcher.startswith("submitit"):  # its processes find `experiments` wherever they start
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if plan.launcher == "submitit_local":  # its processes share the terminal, whose Ctrl-C the sweep passes on in order
        return ["+hydra.launcher.setup=[\"trap '' INT\"]"]
    if plan.launcher == "joblib":  # with one worker, joblib would take this process for it
        return [f"hydra.launcher.n_jobs={max(machine['workers'], 2)}"]
    return []


def _perform(hydra_main: Callable[[], None], folder: SweepFolder) -> bool:
    """Lets Hydra perform the sweep; returns whether a signal ended it."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # its errors come out of it, where it would print their tracebacks
    try:
        hydra_main()
    except KeyboardInterrupt:
        return True
    except SystemExit as end:  # of a run that was stopped, or of Hydra, which has said what is wrong
        return end.code == STOPPED
    except Exception as error:  # of the launcher: what goes wrong in a run, the run says itself
        trace = folder.path / "traceback.txt"
        trace.write_text(traceback.format_exc(), encoding="utf-8")
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        print(f"error: hydra/launcher={folder.about['launcher']} gave up: {reason} (see {trace})", file=sys.stderr)
    return False


def _machine(plan: SweepPlan) -> dict[str, object]:
    """GPUs (by their names in CUDA_VISIBLE_DEVICES), cores and runs at once; 0 where it is not for us to say."""
    if plan.launcher not in ("joblib", "submitit_local"):
        return {"gpus": [], "cores": 0, "workers": 0}
    import joblib

    gpus, cores = _visible_gpus(plan), joblib.cpu_count()
    return {"gpus": gpus, "cores": cores, "workers": workers_of(plan, len(gpus), cores)}


def workers_of(plan: SweepPlan, gpus: int, cores: int) -> int:
    """How many runs are under way at once on a machine with so many `gpus` and `cores`."""
    return plan.n_jobs if plan.n_jobs > 0 else plan.jobs_per_gpu * gpus or cores


def _visible_gpus(plan: SweepPlan) -> list[str]:
    for device in sorted(plan.devices):
        if device.startswith("cuda:"):
            raise BadInput(
                f"trainer.device={device} is not accepted with hydra/launcher={plan.launcher}, which gives each run "
                f"a GPU; leave it out, and choose GPUs with CUDA_VISIBLE_DEVICES={device.removeprefix('cuda:')}"
            )
    if plan.devices == {"cpu"}:
        return []
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[:count] if named else [str(number) for number in range(count)]


@contextlib.contextmanager
def _stopping_in_order(folder: SweepFolder) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM stop the runs that have processes of their own with a checkpoint; a second acts at once.

    Where the runs share this process, they hear the signal themselves.
    """

    def ask(number: int, frame: object) -> None:
        print("stopping: the runs under way write a checkpoint, no other begins", flush=True)
        folder.ask_to_stop()
        for each in before:
            signal.signal(each, signal.default_int_handler)

    handler = signal.default_int_handler if folder.about["launcher"] == "basic" else ask
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _telling(folder: SweepFolder) -> Iterator[None]:
    """Says a line whenever a run ends whose own words go elsewhere."""
    if folder.about["launcher"] == "basic":
        yield
        return
    over, told = threading.Event(), set()

    def tell() -> None:
        jobs = folder.jobs()
        new = [(job, label) for job, label in zip(jobs, labels(jobs), strict=True) if job.ending]
        new = [(job, label) for job, label in new if (label, job.ended) not in told]
        for job, label in new:
            told.add((label, job.ended))
            print(f"{label}: {job.state}, {outcome(job)}")
        if new:
            print(f"sweep: {progress(jobs, time.time())}", flush=True)

    def tell_until_over() -> None:
        while not over.wait(_POLL_SECONDS):
            tell()

    thread = threading.Thread(target=tell_until_over, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        tell()
