"""The cost of a training step from benchmarks, which measure activations in turn on a machine with nothing else to do.

Times of training runs are no substitute: other work on the machine disturbs them.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from experiments.analysis.runs import Setting
from experiments.errors import BadInput

PATTERN = "*_training.csv"
"""The tables of scripts/benchmark_training.py."""


@dataclass(frozen=True)
class Cost:
    """The time of a step, relative to the baseline's in the same round: median and quartiles over rounds."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Costs:
    """The costs of activations in one benchmark."""

    device: str
    data: str
    by_act: dict[str, Cost]


def costs(folder: Path, setting: Setting, baseline: str) -> Costs | None:
    """The benchmark of a setting's task, model, recipe and precision that has most activations.

    One on the setting's device goes first.

    Args:
        folder: where benchmarks are, also in folders within.
        setting: what the compared runs have in common.
        baseline: the activation that times are relative to.

    Raises:
        BadInput: a table is damaged.
    """
    found: dict[tuple[Path, str, str], dict[str, Cost]] = {}
    wanted = (setting.task, setting.model_label, setting.recipe_label, setting.precision)
    for file in sorted(folder.rglob(PATTERN)):
        for row in _rows(file):
            same = (row["task"], row["model"], row["recipe"], row["precision"]) == wanted
            if same and row["benchmark"] == "activations" and row["baseline"] == baseline:
                of_file = found.setdefault((file, row["device"], row["data"]), {})
                of_file[row["activation"]] = _cost(file, row)
    if not found:
        return None
    (_, device, data), by_act = max(
        found.items(), key=lambda each: (each[0][1].startswith(setting.device), len(each[1]))
    )
    return Costs(device, data, {**by_act, baseline: Cost(1.0, 1.0, 1.0)})


def _rows(file: Path) -> Iterable[dict[str, str]]:
    needed = {"benchmark", "task", "model", "recipe", "precision", "baseline", "device", "data", "activation"}
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lacking = sorted(needed - set(reader.fieldnames or ()))
        if lacking:
            raise BadInput(f"{file} is not a table of scripts/benchmark_training.py: it lacks {', '.join(lacking)}")
        yield from reader


def _cost(file: Path, row: dict[str, str]) -> Cost:
    try:
        return Cost(*(float(row[key]) for key in ("time_ratio", "time_ratio_q1", "time_ratio_q3")))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{file} has no time ratio of {row['activation']} ({error}); measure again") from error
