"""A finished run as its local record or the published evidence tells it, and W&B written anew from that."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from experiments.configuration.composition import as_dict, compose
from experiments.configuration.identity import identify
from experiments.errors import BadInput, unknown
from experiments.record import checkpoint, ledger
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

_NUMBERS = (
    *("seed", "headline_value", "parameters", "epochs", "steps"),
    *("wall_seconds", "step_milliseconds", "peak_memory_mib"),
)
"""The columns of every ledger that hold numbers, as all further ones do."""

_OF_ENVIRONMENT = ("git_commit", "git_dirty", "python", "torch", "device")
"""What a ledger tells of the environment."""


@dataclass(frozen=True)
class RecordedRun:
    """Everything that the record of a finished run holds and W&B is told."""

    result: dict[str, object]
    config: dict[str, object]
    """Empty where the record does not hold it."""
    environment: dict[str, object]
    history: list[dict[str, object]]
    pictures: dict[str, Path]
    """By name."""
    wandb_id: str
    note: str = ""
    """What could not be found out, in one line."""

    @property
    def run_id(self) -> str:
        return self.result["run_id"]

    @property
    def logger(self) -> dict[str, object]:
        """The part of its configuration that says where it was mirrored to; empty if nowhere."""
        logger = self.config.get("logger", {})
        return logger if logger.get("name") == "wandb" else {}


def replay(run: RecordedRun, given: Mapping[str, str | None], folder: Path) -> str:
    """Writes a run to W&B as its live mirror would have; a second time it is the same W&B run.

    Args:
        run: what to write.
        given: `project`, `entity` and `mode`; what is None is as for the live run, `mode` is then "auto".
        folder: where W&B keeps its own files (`<folder>/wandb`).

    Returns:
        The address of its page, or the folder of an offline run.

    Raises:
        BadInput: online is asked for, and nobody is logged in.
    """
    before = {key: run.logger.get(key) for key in ("project", "entity")}
    to = destination(**{**before, **{key: value for key, value in given.items() if value is not None}})
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
    """The folders of the runs below `folder` that were begun and have no result."""
    begun = [file.parent for file in sorted(folder.rglob(ENVIRONMENT))]
    return [each for each in begun if each.parent.name != "replaced" and not (each / RESULT).exists()]


_LAYOUT = "<output_root>/<task>/<recipe>/<activation>/s<seed>-<hash>"


def _from_directory(directory: Path, result: dict[str, object]) -> RecordedRun:
    missing = [column for column in ledger.COLUMNS if column not in result]
    if missing:
        raise BadInput(f"{directory / RESULT} is not the result of a run: {missing[0]!r} is missing")
    environment = read_json(directory / ENVIRONMENT)
    if environment is None:
        raise BadInput(f"{directory / ENVIRONMENT} is missing; make the run again with force=true")
    try:
        config = as_dict(OmegaConf.load(directory / CONFIG))
    except (OSError, YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{directory / CONFIG} cannot be read ({reason}); make the run again with force=true") from error
    saved = directory / CHECKPOINT
    wandb_id = checkpoint.load(saved)["wandb_id"] if saved.exists() else None
    return RecordedRun(
        result=result,
        config=config,
        environment=environment,
        history=_history(directory / METRICS, result),
        pictures={file.stem: file for file in sorted((directory / ARTIFACTS).glob("*.png"))},
        wandb_id=wandb_id or _derived_id(result),
    )


def _history(file: Path, result: Mapping[str, object]) -> list[dict[str, object]]:
    if file.exists():
        return read_metrics(file)
    if result["status"] == "finished":
        raise BadInput(f"{file} is missing; put it back, or replay the run from its own folder")
    return []  # it failed before the first record


def _derived_id(result: Mapping[str, object]) -> str:
    """The W&B id of a run that was never mirrored; run again, it is another run."""
    return hashlib.sha256(f"{result['run_id']} {result['finished_at']}".encode()).hexdigest()[:16]


_NEEDED = ("task", "act", "recipe", "data", "seed", "status", "command", "finished_at")
"""The columns without which a run cannot be named in W&B."""


def runs_of(file: Path, run_ids: Sequence[str] = ()) -> list[RecordedRun]:
    """The runs of a ledger, with metrics/<run_id>.jsonl and pictures/<run_id>.png beside it.

    Args:
        file: the ledger.
        run_ids: those to take; none: all.

    Raises:
        BadInput: there is no such ledger or run, or a row or file of a run is missing or damaged.
    """
    rows = {row["run_id"]: row for row in ledger.read(file)}
    if not rows:
        raise BadInput(f"there is no ledger {file}, or it has no rows; name one with --ledger")
    for run_id in run_ids:
        if run_id not in rows:
            raise unknown("run", run_id, rows, f"the column run_id of {file} lists all")
    return [_from_row(file, rows[run_id]) for run_id in run_ids or sorted(rows)]


def _from_row(file: Path, row: dict[str, str]) -> RecordedRun:
    result = {column: _value(file, row, column) for column, text in row.items() if text}
    for column in _NEEDED:
        if column not in result:
            raise BadInput(f"{file}, run {row['run_id']}: column {column!r} is empty; {ledger.REBUILD} makes it anew")
    config = _recomposed(result)
    metrics = file.parent / "metrics" / f"{row['run_id']}.jsonl"
    picture = file.parent / "pictures" / f"{row['run_id']}.png"
    commit = result.get("git_commit", "unknown")
    return RecordedRun(
        result=result,
        config=config,
        environment={key: result[key] for key in _OF_ENVIRONMENT if key in result},
        history=_history(metrics, result),
        pictures={Path(PICTURE).stem: picture} if picture.exists() else {},
        wandb_id=_derived_id(result),
        note="" if config else f"without its configuration, which the configs/ of commit {commit[:10]} hold",
    )


def _value(file: Path, row: dict[str, str], column: str) -> object:
    text = row[column]
    if column == "git_dirty":
        return text == "True"
    if column in ledger.COLUMNS and column not in _NUMBERS:
        return text
    for read in (int, float):
        try:
            return read(text)
        except (TypeError, ValueError):
            continue
    raise BadInput(f"{file}, run {row['run_id']}: column {column!r} is {text!r}, not a number")


def _recomposed(result: Mapping[str, object]) -> dict[str, object]:
    """The configuration that the run's command composes, if it is still the one that the run had."""
    try:
        cfg, choices = compose(shlex.split(result["command"])[2:])
        same = identify(cfg, choices).config_hash == result["config_hash"]
    except (ValueError, BadInput, HydraException, OmegaConfBaseException):
        same = False
    return as_dict(cfg) if same else {}
