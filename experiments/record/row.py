"""One row of a ledger: its columns, their accepted values and their text form."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, get_type_hints

STATUSES = ("finished", "diverged", "failed")

NOT_A_METRIC = ("headline_epoch", "activation_parameters", "forward_flops")
"""Further numeric columns that are not metrics."""

LOCAL_ONLY = ("reason", "notes", "chance")
"""Fields of result.json that are not columns."""

_SHOWN = 60
"""Characters of a damaged value that a message quotes."""


class Damaged(Exception):
    """A row that cannot be used; says the column and the value."""


def _any_text(cell: str) -> str:
    return cell


def _some_text(cell: str) -> str:
    if not cell.strip():
        raise ValueError
    return cell


def _one_of(*words: str) -> Callable[[str], str]:
    def convert(cell: str) -> str:
        if cell not in words:
            raise ValueError
        return cell

    return convert


def read_number(cell: str) -> int | float:
    """A finite number; an int if it is written as one.

    Raises:
        ValueError: it is not a finite number.
    """
    value = float(cell)
    if not math.isfinite(value) or "_" in cell:
        raise ValueError
    try:
        return int(cell)
    except ValueError:
        return value


def _count(cell: str) -> int:
    value = read_number(cell)
    if not isinstance(value, int) or value < 0:
        raise ValueError
    return value


def _or_none(convert: Callable[[str], object]) -> Callable[[str], object]:
    return lambda cell: convert(cell) if cell.strip() else None


def _dirty(cell: str) -> bool:
    """Whether the code had uncommitted changes; an empty cell counts as yes."""
    return not cell or _one_of("True", "False")(cell) == "True"


def _time(cell: str) -> str:
    if datetime.fromisoformat(cell).tzinfo is None:
        raise ValueError
    return cell


def _object(cell: str) -> dict[str, object]:
    try:
        value = json.loads(cell)
    except RecursionError as error:
        raise ValueError from error
    if not isinstance(value, dict):
        raise ValueError
    return value


@dataclass(frozen=True)
class _Column:
    """A column: the parser of its text, and a description of the accepted values for messages."""

    convert: Callable[[str], object]
    accepted: str


_NAME = _Column(_some_text, "some text")
_TEXT = _Column(_any_text, "text")
_NUMBER = _Column(read_number, "a number")
_COUNT = _Column(_count, "an integer ≥ 0")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run in a ledger; the fields up to `finished_at` are the fixed columns, in this order."""

    run_id: Annotated[str, _NAME]
    status: Annotated[str, _Column(_one_of(*STATUSES), " or ".join(STATUSES))]
    task: Annotated[str, _NAME]
    model: Annotated[str, _NAME]
    data: Annotated[str, _NAME]
    recipe: Annotated[str, _NAME]
    act: Annotated[str, _NAME]
    """The activation's name in the registry; its options are in `overrides`."""
    overrides: Annotated[dict[str, object], _Column(_object, "a JSON object")]
    """Dotted key → value: all settings that differ from the named recipe, model, data and activation."""
    seed: Annotated[int, _COUNT]
    headline_metric: Annotated[str, _NAME]
    headline_value: Annotated[float | None, _Column(_or_none(read_number), "a number")]
    """None for a run that did not finish."""
    parameters: Annotated[int, _COUNT]
    epochs: Annotated[float, _NUMBER]
    steps: Annotated[int, _COUNT]
    wall_seconds: Annotated[float, _NUMBER]
    step_milliseconds: Annotated[float, _NUMBER]
    peak_memory_mib: Annotated[float, _NUMBER]
    device: Annotated[str, _NAME]
    threads: Annotated[int | None, _Column(_or_none(_count), "an integer ≥ 0 or empty")]
    """CPU threads; None on a GPU."""
    precision: Annotated[str, _NAME]
    config_hash: Annotated[str, _TEXT]
    code_hash: Annotated[str, _TEXT]
    """Hash of the code that computes a result; like `activation_hash`, empty if it was not recorded."""
    activation_hash: Annotated[str, _TEXT]
    data_fingerprint: Annotated[str, _TEXT] = ""
    """Hash of the content of the data."""
    kernel: Annotated[str, _TEXT] = ""
    """The kernel that computes CAReLU there."""
    git_commit: Annotated[str, _TEXT]
    git_dirty: Annotated[bool, _Column(_dirty, "True or False")]
    python: Annotated[str, _TEXT]
    torch: Annotated[str, _TEXT]
    numpy: Annotated[str, _TEXT] = ""
    transformers: Annotated[str, _TEXT] = ""
    """Like `tokenizers`, empty where the task does not use it."""
    tokenizers: Annotated[str, _TEXT] = ""
    processor: Annotated[str, _TEXT] = ""
    """What decides which instructions compute: `AVX512 amx_tile`, `sm_90`; those of `BFLOAT16_FLAGS` only there."""
    command: Annotated[str, _TEXT]
    finished_at: Annotated[str, _Column(_time, "a time like 2026-01-31T12:00:00Z")]
    metrics: dict[str, float] = field(default_factory=dict)
    """Metric → value, from the further numeric columns."""
    remarks: dict[str, str] = field(default_factory=dict)
    """The other further columns that are not empty."""
    line: int = field(default=0, compare=False)
    """Its line number in the file."""

    @classmethod
    def from_cells(cls, cells: Mapping[str, str], metrics: Iterable[str], line: int = 0) -> "Row":
        """The row in `cells` (by column); the columns `metrics` hold numbers.

        Raises:
            Damaged: the value of a column is not accepted.
        """
        values = {name: _read(cells, name, _CONVERTERS[name]) for name in COLUMNS if name in cells or name not in ADDED}
        if values["status"] == "finished" and values["headline_value"] is None:
            raise Damaged("column 'headline_value' is '', not a number, and the run finished")
        measured = {name: _read(cells, name, _NUMBER) for name in metrics if cells[name]}
        further = {name: cell for name, cell in cells.items() if cell and name not in {*COLUMNS, *metrics}}
        return cls(**values, metrics=measured, remarks=further, line=line)

    @classmethod
    def from_result(cls, result: Mapping[str, object]) -> "Row":
        """The row of a result.json.

        Raises:
            Damaged: a column is missing or does not hold what it must.
        """
        missing = [name for name in COLUMNS if name not in (*result, *ADDED, "git_dirty")]
        if missing:
            raise Damaged(f"{missing[0]!r} is missing")
        further = {key: value for key, value in result.items() if key not in {*COLUMNS, *LOCAL_ONLY}}
        measured = {
            key: value for key, value in further.items() if key not in NOT_A_METRIC and _is_finite_number(value)
        }
        others = {key: value for key, value in further.items() if key in NOT_A_METRIC or isinstance(value, str)}
        cells = {name: to_text(result.get(name)) for name in COLUMNS}
        cells.update({name: to_text(value) for name, value in {**measured, **others}.items()})
        return cls.from_cells(cells, measured)

    def cells(self) -> dict[str, str]:
        """The text of each column that is not empty."""
        values = {**{name: getattr(self, name) for name in COLUMNS}, **self.metrics, **self.remarks}
        return {name: text for name, value in values.items() if (text := to_text(value))}

    def as_result(self) -> dict[str, object]:
        """The fields of its result.json, without those that a ledger does not keep."""
        kept = {name: getattr(self, name) for name in COLUMNS}
        numbers = {name: read_number(text) for name, text in self.remarks.items() if name in NOT_A_METRIC}
        return {**kept, **self.metrics, **self.remarks, **numbers}


_CONVERTERS = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Row, include_extras=True).items()
    if hasattr(hint, "__metadata__")
}

COLUMNS = tuple(_CONVERTERS)
"""The fixed columns; the metrics follow, one column each."""


ADDED = ("data_fingerprint", "kernel", "numpy", "transformers", "tokenizers", "processor")
"""Columns that older ledgers and results lack; there they are empty, which means not recorded."""

BFLOAT16_FLAGS = ("amx_tile", "avx512_bf16")
"""Words of `processor`, flags of a CPU by which torch chooses other instructions for bfloat16, not for float32."""


def to_text(value: object) -> str:
    """A value as a cell holds it: objects as JSON with sorted keys, None as the empty text."""
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return "" if value is None else str(value)


def metric_columns(header: Iterable[str], rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The further columns in which at least one cell is a number."""
    further = [column for column in header if column not in {*COLUMNS, *NOT_A_METRIC}]
    rows = list(rows)
    return [column for column in further if any(_is_number(row[column]) for row in rows)]


def check_text(cells: Mapping[str, str]) -> None:
    """Raises `Damaged` for the first cell that is not text in UTF-8."""
    for column, cell in cells.items():
        if any(character in "\0\N{REPLACEMENT CHARACTER}" or "\ud800" <= character <= "\udfff" for character in cell):
            raise Damaged(f"column {column!r} is {shown(cell)}, not text in UTF-8")


def shown(cell: str) -> str:
    """A cell as a message quotes it."""
    return repr(cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "…")


def _read(cells: Mapping[str, str], name: str, column: _Column) -> object:
    try:
        return column.convert(cells[name])
    except ValueError as error:
        raise Damaged(f"column {name!r} is {shown(cells[name])}, not {column.accepted}") from error


def _is_number(cell: str) -> bool:
    try:
        read_number(cell)
    except ValueError:
        return False
    return True


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
