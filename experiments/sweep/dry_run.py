"""What a sweep would do: each of its runs with its state on disk, and the time that the others should take."""

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.configuration.command_line import SweepPlan
from experiments.configuration.composition import as_dict, compose
from experiments.configuration.identity import Identity, identify
from experiments.configuration.schema import Config, check_choices, validate
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.environment import device_name
from experiments.record.labels import activation_label
from experiments.record.row import Row
from experiments.record.run_directory import METRICS, RESULT, read_json, read_metrics
from experiments.record.stored_runs import INTERRUPTED, RUNNING, is_held
from experiments.report.run_tables import measured
from experiments.sweep import pool
from experiments.sweep.record import Job
from experiments.sweep.report import labels, roughly
from experiments.tasks.contract import build_task
from experiments.training.resolution import resolve_auto

NOT_BEGUN = "not begun"

_ORDER = ("finished", "diverged", RUNNING, INTERRUPTED, "failed", NOT_BEGUN)

_OVER = ("finished", "diverged")
"""States of runs that the sweep would not repeat."""


@dataclass(frozen=True)
class Expected:
    """One run that a sweep asks for.

    Args:
        overrides: those of its job.
        state: "finished", "diverged", "failed", running, interrupted or not begun.
        said: its headline, or how far it came; empty otherwise.
        seconds: what is left of it, by earlier runs on this machine; 0 where it is over, None where nothing is known.
    """

    overrides: list[str]
    state: str
    said: str
    seconds: float | None


def expectations(plan: SweepPlan) -> list[Expected]:
    """The runs of a sweep, in their order; nothing is downloaded or started.

    Raises:
        BadInput: the sweeper chooses its runs as it goes, or a run's configuration does not fit this machine.
    """
    if plan.jobs is None:
        raise BadInput(
            f"--dry-run is not accepted with hydra/sweeper={plan.sweeper}, which chooses its runs as it goes; "
            "leave hydra/sweeper out and give seed=0,1,2 to see what that many seeds take"
        )
    rows, _ = ledger.read(plan.ledger)
    fingerprint_of = _fingerprints()
    return [_expected(job, _threads(plan), rows, fingerprint_of) for job in plan.jobs]


def _expected(
    job: list[str], threads: int | None, rows: Sequence[Row], fingerprint_of: Callable[[Config], str | None]
) -> Expected:
    composed, choices = compose(job)
    check_choices(choices)
    config = validate(composed)
    trainer = config.trainer
    if threads is not None and trainer.threads is None:
        config = config.model_copy(update={"trainer": trainer.model_copy(update={"threads": threads})})
    config = resolve_auto(config)
    content = fingerprint_of(config)
    if content is None:
        return Expected(job, NOT_BEGUN, "its data are not here yet", None)
    identity = identify(config, choices, content)
    state, said, done = _on_disk(identity, config)
    if state in _OVER:
        return Expected(job, state, said, 0.0)
    whole = expected_seconds(identity, config, rows, device_name(torch.device(config.trainer.device)))
    return Expected(job, state, said, None if whole is None else whole * (1 - done))


def _fingerprints() -> Callable[[Config], str | None]:
    """A function that tells the fingerprint of a run's data, reading equal data once; None where they are not here."""
    known: dict[str, str | None] = {}

    def fingerprint_of(config: Config) -> str | None:
        key = repr((config.task.name, as_dict(config.data)))
        if key not in known:
            if hasattr(config.data, "download"):
                data = config.data.model_copy(update={"download": False})
                config = config.model_copy(update={"data": data})
            try:
                known[key] = build_task(config).data_fingerprint(config)
            except BadInput:
                known[key] = None
        return known[key]

    return fingerprint_of


def _threads(plan: SweepPlan) -> int | None:
    """The CPU threads that the launcher gives each run; None: those of this process."""
    workers = _workers(plan)
    return workers[0].threads if workers and workers[0].gpu is None else None


def _workers(plan: SweepPlan) -> list[pool.Worker]:
    """The workers of a pool; none for another launcher."""
    if plan.launcher != "pool":
        return []
    of_pool = plan.launcher_options
    return pool.workers_of(of_pool["workers"], of_pool["per_gpu"], pool.visible_gpus(), pool.usable_cores())


def _on_disk(identity: Identity, config: Config) -> tuple[str, str, float]:
    """(the state of a run, what is to say of it, the part of it that is done)."""
    folder = identity.directory
    if folder.is_dir() and is_held(folder):
        return RUNNING, "", 0.0
    result = read_json(folder / RESULT)
    if config.force:
        return NOT_BEGUN, "force=true starts it again" if result else "", 0.0
    if result is not None:
        metric, value = result["headline_metric"], result["headline_value"]
        return result["status"], measured(identity.task, metric, value) if value is not None else "", 0.0
    if not (folder / METRICS).exists():
        return NOT_BEGUN, "", 0.0
    epochs = max((each["epoch"] for each in read_metrics(folder / METRICS)), default=0)
    return INTERRUPTED, f"after epoch {epochs} of {config.trainer.epochs}", min(epochs / config.trainer.epochs, 1.0)


def expected_seconds(identity: Identity, config: Config, rows: Sequence[Row], device: str) -> float | None:
    """How long a run should take: the median of earlier runs on this device that are most like it.

    Those of the same settings and activation; else of the same settings; else of the same model on the same data, by
    the number of their epochs. None where there are none.
    """
    trainer = config.trainer
    same = [
        row
        for row in rows
        if (row.task, row.model, row.data) == (identity.task, identity.model, identity.data)
        and (row.device, row.threads, row.precision) == (device, trainer.threads, trainer.precision)
        and row.status == "finished"
        and row.epochs
    ]
    shared, act = _shared(identity.overrides), activation_label(identity.act, identity.overrides)
    alike = [row for row in same if row.recipe == identity.recipe and _shared(row.overrides) == shared]
    of_act = [row for row in alike if activation_label(row.act, row.overrides) == act]
    nearest = of_act or alike
    if nearest:
        return statistics.median(row.wall_seconds for row in nearest)
    if not same or trainer.max_steps is not None:  # how many epochs so many steps are is not known without the data
        return None
    return statistics.median(row.wall_seconds / row.epochs for row in same) * trainer.epochs


def _shared(overrides: dict[str, object]) -> dict[str, object]:
    """Overrides without those of the activation."""
    return {key: value for key, value in overrides.items() if not key.startswith("act.")}


def text(plan: SweepPlan) -> str:
    """What `--dry-run` prints: a line for each run, the counts, and the expected time."""
    runs = expectations(plan)
    names = labels([Job(run.overrides) for run in runs])
    width, state_width = max(map(len, names)), max(len(run.state) for run in runs)
    lines = []
    for run, name in zip(runs, names, strict=True):
        left = f"about {roughly(run.seconds)}" if run.seconds else ""
        about = ", ".join(filter(None, (run.said, left)))
        lines.append(f"  {name:<{width}}  {run.state:<{state_width}}  {about}".rstrip())
    counts = Counter(run.state for run in runs)
    counted = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    return "\n".join([f"sweep of {len(runs)} run{'s' * (len(runs) != 1)}: {counted}", *lines, *_outlook(plan, runs)])


def _outlook(plan: SweepPlan, runs: Sequence[Expected]) -> list[str]:
    """The expected time of all that is left."""
    to_do = [run for run in runs if run.state not in _OVER]
    if not to_do:
        return ["nothing is left to do"]
    known = [run.seconds for run in to_do if run.seconds is not None]
    if not known:
        return [f"expected time: unknown, as {plan.ledger} has no run like these on this machine"]
    at_once = min(max(len(_workers(plan)), 1), len(to_do))
    together = f", {at_once} at once" if at_once > 1 else ""
    guessed = len(to_do) - len(known)
    unknown = f"; {guessed} of them by the mean of the others" if guessed else ""
    seconds = statistics.mean(known) * len(to_do) / at_once
    expected = f"about {roughly(seconds)} for {len(to_do)}{together}"
    return [f"expected time: {expected}, by earlier runs on this machine{unknown}"]


def show(plan: SweepPlan | None) -> int:
    """Prints what a sweep would do; returns the exit code.

    Raises:
        BadInput: there is no sweep, or it cannot be foreseen.
    """
    if plan is None:
        raise BadInput("--dry-run shows the runs of a sweep; to see them: python run.py -m … --dry-run")
    print(text(plan))
    print(f"nothing was started; results would go to {Path(plan.ledger).parent}")
    return 0
