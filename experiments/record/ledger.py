"""The ledger: a tidy CSV with one row a finished run, the same fields as its result.json."""

import csv
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import filelock

from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.record.run_directory import ARTIFACTS, METRICS, PICTURE, RESULT, read_json

COLUMNS = (
    "run_id",
    "status",
    "task",
    "model",
    "data",
    "recipe",
    "act",
    "seed",
    "headline_metric",
    "headline_value",
    "parameters",
    "epochs",
    "steps",
    "wall_seconds",
    "step_milliseconds",
    "peak_memory_mib",
    "device",
    "precision",
    "config_hash",
    "git_commit",
    "git_dirty",
    "python",
    "torch",
    "command",
    "finished_at",
)
"""The columns of every ledger; the metrics follow, one column each."""

METRICS_FIRST = ("top1", "top5", "loss", "psnr_y", "ssim_y", "psnr_rgb", "bicubic_psnr_y", "accuracy", "macro_f1")
"""The order of the metric columns; others follow by name."""

LOCAL_ONLY = ("reason", "notes")
"""Fields of a result that are no columns."""


def read(file: Path) -> list[dict[str, str]]:
    """The rows of a ledger, as text; none where there is no file.

    Raises:
        BadInput: the file is not a ledger.
    """
    if not file.exists():
        return []
    try:
        rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines(keepends=True))
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    except ValueError as error:
        raise BadInput(f"{file} is not a ledger ({error}); rebuild it with {REBUILD}") from error
    if missing:
        raise BadInput(f"{file} is not a ledger: column {missing[0]!r} is missing; rebuild it with {REBUILD}")
    return list(rows)


REBUILD = "python scripts/rebuild_ledger.py"


def write(file: Path, rows: Iterable[dict[str, object]]) -> None:
    """Writes a ledger whole, its rows sorted by run_id."""
    rows = sorted(rows, key=lambda row: str(row["run_id"]))
    metrics = {column for row in rows for column in row} - set(COLUMNS) - set(LOCAL_ONLY)
    order = {metric: place for place, metric in enumerate(METRICS_FIRST)}
    ordered = sorted(metrics, key=lambda metric: (order.get(metric, len(order)), metric))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, *ordered], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(file, text.getvalue().encode())


def record(file: Path, result: dict[str, object]) -> None:
    """Puts the row of one run into a ledger, in place of an older row of the same run."""
    with _locked(file):
        rows = [row for row in read(file) if row["run_id"] != result["run_id"]]
        write(file, [*rows, result])


def _locked(file: Path) -> filelock.FileLock:
    file.parent.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(file.with_name(f".{file.name}.lock"))


def results_under(output_root: Path) -> list[tuple[Path, dict[str, object]]]:
    """(folder, result) of every run under `output_root` that has one."""
    files = sorted(output_root.rglob(RESULT))
    folders = [file.parent for file in files if "replaced" not in file.relative_to(output_root).parts]
    return [(folder, read_json(folder / RESULT)) for folder in folders]


def rebuild(output_root: Path) -> int:
    """Writes `output_root`/ledger.csv anew from the run directories; returns the number of rows."""
    with _locked(output_root / "ledger.csv"):
        results = [result for _, result in results_under(output_root)]
        write(output_root / "ledger.csv", results)
    return len(results)


def publish(output_root: Path, target: Path, wanted: dict[str, str], allow_dirty: bool = False) -> list[str]:
    """Copies the rows of chosen runs, their metrics.jsonl and their picture into the committed evidence.

    Args:
        output_root: where the runs are.
        target: the folder of the evidence: gets ledger.csv, metrics/<run_id>.jsonl and pictures/<run_id>.png.
        wanted: column → value that a run must have, as text.
        allow_dirty: also publish runs of code that was not committed.

    Returns:
        The run_ids that were published.

    Raises:
        BadInput: no run fits, or one was made by code that was not committed.
    """
    for column in wanted:
        if column not in COLUMNS:
            raise BadInput(f"unknown column {column!r}; accepted: {', '.join(COLUMNS)}")
    chosen = [
        (folder, result)
        for folder, result in results_under(output_root)
        if all(str(result.get(column)) == value for column, value in wanted.items())
    ]
    if not chosen:
        raise BadInput(f"no finished run under {output_root} has {json.dumps(wanted)}; `{REBUILD}` lists what is there")
    dirty = [result["run_id"] for _, result in chosen if result.get("git_dirty", True)]
    if dirty and not allow_dirty:
        raise BadInput(
            f"{dirty[0]} was made by code that is in no commit; run it again from a clean checkout "
            "(force=true), or say --allow-dirty"
        )
    for folder, result in chosen:
        record(target / "ledger.csv", result)
        _copy(folder / METRICS, target / "metrics" / f"{result['run_id']}.jsonl")
        _copy(folder / ARTIFACTS / PICTURE, target / "pictures" / f"{result['run_id']}.png")
    return [result["run_id"] for _, result in chosen]


def _copy(source: Path, target: Path) -> None:
    """Copies a file where a run has it: one that failed at once has no metrics, most have no picture."""
    if source.exists():
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
