"""Runs a sweep on a real Slurm of one node, pre-empts its jobs, and compares its ledger with that of a serial sweep.

The Slurm is made in a temporary folder and ended again: its key, its configuration and its daemons are this script's.
The page results/slurm.md says what became of each job. Exits with 1 if a run was lost or a ledger differs.

    apt-get install slurm-wlm munge              Debian's packages; with slurmdbd and mariadb-server also accounting
    python scripts/slurm_check.py                some ten minutes on one core
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import BadInput
from experiments.files import write_files
from experiments.record import checkpoint
from experiments.record.run_directory import CHECKPOINT, RESULT
from experiments.report.rendering import to_markdown
from experiments.report.table import Table, simple_table
from experiments.training.job import report_error
from scripts.throwaway_slurm import HIGH, LOW, Slurm
from tests.faults.injections import recorded, same

ROOT = Path(__file__).parent.parent

SWEEP = ("task=cifar100", "act=relu,carelu", "seed=0,1", "data=sample", "recipe=small", "model.width=2")
LAUNCHER = ("hydra/launcher=submitit_slurm", f"hydra.launcher.partition={LOW}", "hydra.launcher.gpus_per_node=0")
NODE = ("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1")

_INTO_TRAINING = 5
"""Seconds that a job trains before something happens to it."""

_LONGEST = 3600
"""Seconds after which a sweep counts as hanging."""


def preempt(slurm: Slurm, job: str) -> None:
    """A job of a partition with a higher priority takes the only core, as on a busy cluster."""
    slurm.call("sbatch", f"--partition={HIGH}", "--output=/dev/null", "--wrap=sleep 2")


def requeue(slurm: Slurm, job: str) -> None:
    """An operator queues the job again; pre-emption without grace does the same."""
    slurm.call("scontrol", "requeue", job)


def time_out(slurm: Slurm, job: str) -> None:
    """What Slurm sends before a job's time is over, and submitit calls pre-emption."""
    slurm.call("scancel", "--signal=USR2", job)


FAULTS: tuple[tuple[str, Callable[[Slurm, str], None] | None], ...] = (
    ("pre-empted by a partition with a higher priority", preempt),
    ("queued again by `scontrol requeue`", requeue),
    ("the signal before its time is over", time_out),
    ("none", None),
)
"""What happens to each job of the sweep while it trains, in the order of the jobs."""


@dataclass(frozen=True)
class Job:
    """What became of one job."""

    fault: str
    run_id: str
    resumed_at: tuple[str, ...]
    """The steps at which it was resumed."""
    restarts: int
    """By Slurm's own count."""
    state: str
    """By Slurm."""


def main() -> int:
    """Makes both sweeps and the page; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2, help="of each run")
    parser.add_argument("--out", type=Path, default=Path("results"), help="the folder of slurm.md")
    arguments = parser.parse_args()
    command = shlex.join(["python", "scripts/slurm_check.py", *sys.argv[1:]])
    sweep = ["-m", *SWEEP, f"trainer.epochs={arguments.epochs}"]
    try:
        with tempfile.TemporaryDirectory() as folder, Slurm(Path(folder) / "slurm") as slurm:
            serial, queued = Path(folder) / "serial", Path(folder) / "queued"
            _wait_for(_sweep([*sweep, f"output_root={serial}"], os.environ), "the serial sweep")
            jobs = queued_sweep(slurm, [*sweep, *LAUNCHER, *NODE], queued)
            differences = differing(serial, queued)
            table = page(
                jobs, differences, slurm, (command, shlex.join(["python", "run.py", *sweep, *LAUNCHER, *NODE]))
            )
        (file,) = write_files({arguments.out / "slurm.md": to_markdown(table).encode()})
    except BadInput as error:
        return report_error(error)
    print(file)
    return 1 if differences or any(job.fault != "none" and not job.resumed_at for job in jobs) else 0


def _sweep(settings: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "run.py", *settings], cwd=ROOT, env={**environment, "OMP_NUM_THREADS": "1"}
    )


def _wait_for(sweep: subprocess.Popen[bytes], what: str) -> None:
    if (code := sweep.wait(_LONGEST)) != 0:
        raise BadInput(f"{what} ended with {code}; what it printed stands above")


def queued_sweep(slurm: Slurm, settings: list[str], root: Path) -> list[Job]:
    """Makes the sweep on Slurm and injects the faults; one job runs at a time, as the node has one core."""
    sweep = _sweep([*settings, f"output_root={root}"], slurm.environment)
    until = time.monotonic() + _LONGEST
    try:
        jobs = []
        for number, (fault, inject) in enumerate(FAULTS):
            log = _log_of(root, number, until)
            while "directory" not in log.read_text():  # the last line before it trains
                _pause(until)
            time.sleep(_INTO_TRAINING)
            if inject is not None:
                inject(slurm, log.name.removesuffix("_0_log.out"))
            jobs.append((fault, log))
        _wait_for(sweep, "the sweep on Slurm")
    finally:
        if sweep.poll() is None:
            sweep.kill()
            sweep.wait()
    return [_record(slurm, fault, log) for fault, log in jobs]


def _log_of(root: Path, number: int, until: float) -> Path:
    """The log of a job of the sweep, once the job has begun."""
    while True:
        for log in root.glob(f"sweeps/**/.submitit/*_{number}/*_0_log.out"):
            return log
        _pause(until)


def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise BadInput(f"the sweep on Slurm has not ended within {_LONGEST} seconds")
    time.sleep(0.2)


def _record(slurm: Slurm, fault: str, log: Path) -> Job:
    text = log.read_text()
    (folder,) = set(re.findall(r"^directory +(\S+)$", text, re.MULTILINE))
    run_id = "-".join(Path(folder).parts[-4:])
    shown = slurm.call("scontrol", "show", "job", log.name.removesuffix("_0_log.out"))
    found = dict(re.findall(r"(Restarts|JobState)=(\w+)", shown))
    resumed = tuple(re.findall(r"^resumed +at step ([\d,]+) of", text, re.MULTILINE))
    return Job(fault, run_id, resumed, int(found["Restarts"]), found["JobState"].lower())


def differing(one: Path, other: Path) -> list[str]:
    """What two sweeps below these folders differ in, times aside: rows of the ledger, weights, optimizers."""
    (rows, others), found = (_by_id(root) for root in (one, other)), []
    for run_id in sorted({*rows, *others}):
        if rows.get(run_id) != others.get(run_id):
            found.append(f"{run_id}: the rows of the ledger differ")
            continue
        ours, theirs = (checkpoint.load(_folder(root, run_id) / CHECKPOINT) for root in (one, other))
        if not same(ours["model"], theirs["model"]) or not same(ours["optimizer"], theirs["optimizer"]):
            found.append(f"{run_id}: weights or optimizer differ")
    return found


def _by_id(root: Path) -> dict[str, dict[str, object]]:
    return {str(row.get("run_id", row.get("problem"))): row for row in recorded(root)}


def _folder(root: Path, run_id: str) -> Path:
    """The folder of a run, whose name ends like its id: with the seed and a hash."""
    return next(file.parent for file in root.rglob(RESULT) if run_id.endswith(file.parent.name))


def page(jobs: list[Job], differences: list[str], slurm: Slurm, commands: tuple[str, ...]) -> Table:
    """The published page."""
    columns = [("job", "Job of the array"), ("run", "Run"), ("fault", "What happened to it while it trained")]
    columns += [("restarts", "Queued again"), ("resumed", "Resumed at step"), ("state", "State at the end")]
    rows = [
        [str(number), job.run_id, job.fault, job.restarts, ", ".join(job.resumed_at) or None, job.state]
        for number, job in enumerate(jobs)
    ]
    accounting = "with accounting (slurmdbd)" if slurm.accounting else "without accounting"
    equal = "; ".join(differences) or (
        "equal to those of a serial sweep of the same runs, except for times; so are the final weights and the state "
        "of the optimizers, bit for bit"
    )
    return simple_table(
        "slurm",
        "Pre-emption on a real Slurm",
        columns,
        rows,
        caption=f"A sweep on {slurm.version} of one node, {accounting}. The rows of its ledger are {equal}.",
        notes=(
            "Queued again: how often Slurm put the job back into its queue, by Slurm's own count.",
            "Resumed at: the step of the checkpoint that the run wrote when it was told to stop.",
            f"The node has one core, so one job trains at a time. Partition `{LOW}` is pre-empted by partition "
            f"`{HIGH}`, with `PreemptMode=REQUEUE` and 60 seconds of grace.",
        ),
        commands=commands,
    )


if __name__ == "__main__":
    sys.exit(main())
