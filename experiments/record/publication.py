"""Copies finished runs into the committed evidence: a ledger and the files of each run."""

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from yaml import YAMLError

from experiments.configuration.identity import KEYS_NOT_HASHED, run_folder
from experiments.errors import BadInput, one_line
from experiments.files import write_atomically
from experiments.record import ledger
from experiments.record.row import COLUMNS, LOCAL_ONLY, to_text
from experiments.record.run_directory import (
    ARTIFACTS,
    CONFIG,
    ENVIRONMENT,
    METRICS,
    PICTURE,
    PREDICTIONS,
    RESULT,
    RunDirectory,
)
from experiments.record.sums import note_on_altered

_PICTURE = f"{ARTIFACTS}/{PICTURE}"

PUBLISHED = {
    METRICS: "metrics/{run_id}.jsonl",
    _PICTURE: "pictures/{run_id}.png",
    CONFIG: "configs/{run_id}.yaml",
    ENVIRONMENT: "environments/{run_id}.json",
    PREDICTIONS: "predictions/{run_id}.npz",
}
"""A file of a run's directory → its path relative to the folder of a published ledger."""

LARGEST_PREDICTIONS = 200_000
"""Bytes; a larger file of predictions is not published."""

PICTURED_SEED = 0
"""Pictures, some 700 kB each, are published of the runs with this seed alone."""


def published(file: Path, name: str, run_id: str) -> Path:
    """The published path of the file `name` of a run, given its ledger `file`."""
    return file.parent / PUBLISHED[name].format(run_id=run_id)


def publish(output_root: Path, target: Path, wanted: Mapping[str, str], allow_dirty: bool = False) -> list[str]:
    """Copies the rows of chosen runs, and those files of `PUBLISHED` that exist, into the committed evidence.

    A published configuration omits the keys about output and logging: they name folders of one machine,
    and no result depends on them.

    Args:
        output_root: where the runs are.
        target: the folder of the evidence.
        wanted: the value, as text, that a run must have in each column.
        allow_dirty: also publish runs of code that was not committed.

    Returns:
        The run_ids that were published.

    Raises:
        BadInput: no run fits, one is damaged, or one was made by code that was not committed.
    """
    for column in wanted:
        if column not in COLUMNS:
            raise BadInput(f"unknown column {column!r}; accepted: {', '.join(COLUMNS)}")
    chosen = [
        (folder, result)
        for folder, result in ledger.results_under(output_root)
        if all(to_text(result.get(column)) == value for column, value in wanted.items())
    ]
    if not chosen:
        raise BadInput(
            f"no finished run under {output_root} has {json.dumps(wanted)}; `{ledger.REBUILD}` lists the runs"
        )
    dirty = [result["run_id"] for _, result in chosen if result.get("git_dirty") is not False]
    if dirty and not allow_dirty:
        raise BadInput(
            f"{dirty[0]} was made by uncommitted code; run it again from a clean checkout "
            "(force=true), or pass --allow-dirty"
        )
    configs = [public_config(folder / CONFIG) for folder, _ in chosen]
    file = target / ledger.FILE
    ledger.record(file, *(result for _, result in chosen))
    for (folder, result), config in zip(chosen, configs, strict=True):
        if note := note_on_altered(folder):
            warnings.warn(note, stacklevel=2)
        for name in PUBLISHED:
            place = published(file, name, result["run_id"])
            if (folder / name).exists():  # a run that failed at once has no metrics, most have no picture
                too_large = name == PREDICTIONS and (folder / name).stat().st_size > LARGEST_PREDICTIONS
                if too_large or (name == _PICTURE and result["seed"] != PICTURED_SEED):
                    continue
                place.parent.mkdir(exist_ok=True)
                if name == CONFIG:
                    write_atomically(place, config.encode())
                else:
                    shutil.copyfile(folder / name, place)
    return [result["run_id"] for _, result in chosen]


def restore(file: Path, output_root: Path) -> list[str]:
    """The inverse of `publish`: makes the run directories of a ledger again, so that these runs count as done.

    A run directory that has a result is left as it is. Checkpoints are not published, so none is restored.

    Returns:
        The run_ids that were restored.

    Raises:
        BadInput: the ledger is missing or cannot be read.
    """
    if not file.is_file():
        raise BadInput(f"there is no ledger {file}; name a published study with --out, like results/comparison")
    rows, _ = ledger.read(file)
    restored = []
    for row in rows:
        folder = run_folder(output_root, row.task, row.recipe, row.act, row.seed, row.config_hash)
        if (folder / RESULT).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for name in PUBLISHED:
            place = published(file, name, row.run_id)
            if place.exists():
                (folder / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(place, folder / name)
        result = {**dict.fromkeys(LOCAL_ONLY, ""), **row.as_result()}
        RunDirectory(folder).finish(result)
        restored.append(result)
    if restored:
        ledger.record(output_root / ledger.FILE, *restored)
    return [result["run_id"] for result in restored]


def public_config(file: Path) -> str:
    """The text of a run's config.yaml as it is published; empty where there is no file.

    Raises:
        BadInput: the file is damaged.
    """
    return OmegaConf.to_yaml(without_keys(read_config(file), KEYS_NOT_HASHED)) if file.exists() else ""


def read_config(file: Path) -> dict[str, object]:
    """The configuration in a YAML file as nested dicts; it may be another person's, so nothing in it is resolved.

    Raises:
        BadInput: the file is missing or damaged, or holds an interpolation, which could read a secret of this machine.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it holds no mapping")
        found = _interpolation(content)
    except (OSError, ValueError, YAMLError, RecursionError) as error:
        reason = one_line(error, 200)
        raise BadInput(f"{file} cannot be read ({reason}); make the run again with force=true") from error
    if found:
        raise BadInput(f"{file} holds the interpolation {found[:60]!r}, which no recorded run has; it is not used")
    return content


def _interpolation(value: object) -> str:
    """The first text in a configuration that OmegaConf would resolve; empty where there is none."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return next(filter(None, map(_interpolation, value)), "")
    return value if isinstance(value, str) and "${" in value else ""


def without_keys(config: Mapping[str, object], keys: tuple[str, ...], prefix: str = "") -> dict[str, object]:
    """`config` (nested) without some dotted keys."""
    return {
        key: without_keys(value, keys, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in config.items()
        if prefix + key not in keys
    }
