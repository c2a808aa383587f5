"""Replay: a finished run is uploaded to W&B from its local record or from the published evidence."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.errors import BadInput, unknown
from experiments.record import checkpoint, ledger
from experiments.record.publication import published, read_config
from experiments.record.row import Damaged, Row
from experiments.record.run_directory import (
    ARTIFACTS,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    METRICS,
    PICTURE,
    RESULT,
    read_json,
    read_metrics,
)
from experiments.record.wandb_run import WandbRun, clear_offline_copies, describe_run, destination


@dataclass(frozen=True)
class RecordedRun:
    """Everything from the record of a finished run that is uploaded to W&B."""

    result: dict[str, object]
    config: dict[str, object]
    """Empty if the record lacks it."""
    environment: dict[str, object]
    history: list[dict[str, object]]
    pictures: dict[str, Path]
    """By name."""
    wandb_id: str
    note: str = ""
    """What is missing from the record, or where its live mirror is, in one line."""

    @property
    def run_id(self) -> str:
        return self.result["run_id"]

    @property
    def logger(self) -> dict[str, object]:
        """The logger options of its configuration; empty if it was not mirrored."""
        logger = self.config.get("logger")
        return logger if isinstance(logger, dict) and logger.get("name") == "wandb" else {}


def replay(run: RecordedRun, given: Mapping[str, str | None], folder: Path) -> str:
    """Writes a run to W&B as its live mirror would have.

    Replay is idempotent: it finds the matching W&B run and uploads what is missing.

    Args:
        run: what to write.
        given: `project`, `entity` and `mode`; None: as in configs/logger/wandb.yaml. The record never says where to, as
            it may be another person's.
        folder: where W&B keeps its own files (`<folder>/wandb`).

    Returns:
        The address of its page, or the folder of an offline run.

    Raises:
        BadInput: mode is "online" and no user is logged in.
    """
    to = destination(**{key: value for key, value in given.items() if value is not None})
    description = describe_run(run.result, run.config, run.environment, run.logger.get("tags", ()), run.wandb_id)
    clear_offline_copies(folder, run.wandb_id)
    session = WandbRun(description, to, folder, live=False)
    try:
        for record in run.history:
            session.log(record)
        session.show(run.pictures)
        place = session.place
        session.finish(run.result)
    except BaseException:
        session.abandon()
        raise
    return place


def runs_in(folder: Path) -> list[RecordedRun]:
    """The finished runs in a run's directory, or in all directories below `folder`.

    Raises:
        BadInput: there is no such folder, no finished run in it, or a file of a run is missing or damaged.
    """
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}; runs are kept in {_LAYOUT}")
    results = ledger.results_under(folder)
    if not results and unfinished_in(folder):
        raise BadInput(f"{folder} holds no finished run (no result.json): give its command again, then replay it")
    if not results:
        raise BadInput(f"{folder} is not a run's folder; runs are kept in {_LAYOUT}")
    return [_from_directory(directory, result) for directory, result in results]


def unfinished_in(folder: Path) -> list[Path]:
    """The folders of the runs below `folder` that were started and have no result."""
    started = [file.parent for file in sorted(folder.rglob(ENVIRONMENT))]
    return [each for each in started if each.parent.name != "replaced" and not (each / RESULT).exists()]


_LAYOUT = "<output_root>/<task>/<recipe>/<activation>/s<seed>-<hash>"


def _from_directory(directory: Path, result: dict[str, object]) -> RecordedRun:
    try:
        Row.from_result(result)
    except Damaged as damage:
        raise BadInput(f"{directory / RESULT} is not the result of a run: {damage}") from damage
    environment = read_json(directory / ENVIRONMENT)
    if environment is None:
        raise BadInput(f"{directory / ENVIRONMENT} is missing; make the run again with force=true")
    config = read_config(directory / CONFIG)
    saved = directory / CHECKPOINT
    wandb_id = checkpoint.load(saved)["wandb_id"] if saved.exists() else None
    return RecordedRun(
        result=result,
        config=config,
        environment=environment,
        history=_history(directory / METRICS, result),
        pictures={file.stem: file for file in sorted((directory / ARTIFACTS).glob("*.png"))},
        wandb_id=wandb_id or _derived_id(result),
        note=_mirrored_to(config),
    )


def _mirrored_to(config: Mapping[str, object]) -> str:
    """Which W&B project a run was mirrored to, and how to name it; empty if it was not mirrored."""
    logger = config.get("logger")
    if not isinstance(logger, Mapping) or logger.get("name") != "wandb":
        return ""
    words = [f"--{key} {logger[key]}" for key in ("project", "entity") if logger.get(key)]
    return f"the run names {' '.join(words)}"


def _history(file: Path, result: Mapping[str, object]) -> list[dict[str, object]]:
    if file.exists():
        return read_metrics(file)
    if result["status"] == "finished":
        raise BadInput(f"{file} is missing; put it back, or replay the run from its own folder")
    return []  # it failed before the first record


def _derived_id(result: Mapping[str, object]) -> str:
    """The W&B id of a run that was not mirrored; a repetition of the run has another id."""
    return hashlib.sha256(f"{result['run_id']} {result['finished_at']}".encode()).hexdigest()[:16]


def runs_of(file: Path, run_ids: Sequence[str] = ()) -> tuple[list[RecordedRun], list[str]]:
    """The runs of a ledger, with their published files.

    Args:
        file: the ledger.
        run_ids: the runs to take; empty: all.

    Returns:
        The runs, and one sentence for each line of the ledger that is left out.

    Raises:
        BadInput: there is no such ledger or run, no row of it can be used, or a file of a run is missing or damaged.
    """
    rows, problems = ledger.read(file)
    by_id = {row.run_id: row for row in rows}
    if not by_id:
        why = " ".join(problems) or "there is no such file, or it has no rows"
        raise BadInput(f"there is no ledger {file} with a row that can be used: {why}; name one with --ledger")
    for run_id in run_ids:
        if run_id not in by_id:
            shown = " ".join([f"the column run_id of {file} lists all", *problems])
            raise unknown("run", run_id, by_id, shown)
    return [_from_row(file, by_id[run_id]) for run_id in run_ids or sorted(by_id)], problems


def _from_row(file: Path, row: Row) -> RecordedRun:
    def place(name: str) -> Path:
        return published(file, name, row.run_id)

    result = {key: value for key, value in row.as_result().items() if value is not None}
    picture, config = place(f"{ARTIFACTS}/{PICTURE}"), place(CONFIG)
    environment = read_json(place(ENVIRONMENT))
    return RecordedRun(
        result=result,
        config=read_config(config) if config.exists() else {},
        environment=environment or {key: result[key] for key in ledger.OF_ENVIRONMENT if key in result},
        history=_history(place(METRICS), result),
        pictures={Path(PICTURE).stem: picture} if picture.exists() else {},
        wandb_id=_derived_id(result),
        note="" if config.exists() else f"without its configuration: there is no {config}",
    )
