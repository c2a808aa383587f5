"""The ledger: a tidy CSV with one row per finished run, with the fields of its result.json."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import filelock

from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.record.row import ADDED, COLUMNS, Damaged, Row, check_text, metric_columns, shown
from experiments.record.run_directory import RESULT, read_json

OF_ENVIRONMENT = (
    *("device", "threads", "code_hash", "activation_hash", "kernel", "git_commit", "git_dirty", "python", "torch"),
    *("numpy", "transformers", "tokenizers", "processor"),
)
"""The columns that a run takes from its environment.json."""

FILE = "ledger.csv"
"""Its name in an output root."""

REBUILD = "python scripts/rebuild_ledger.py"


def read(file: Path) -> tuple[list[Row], list[str]]:
    """The rows of a ledger, and one sentence for each line that is left out; empty if there is no file.

    A damaged line does not affect the others.

    Raises:
        BadInput: the file is not a ledger, or cannot be read.
    """
    if not file.exists():
        return [], []
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read as a ledger: {error.strerror}; name a file") from error
    # Invalid UTF-8 is kept as surrogates in its cell, so that only its own row is damaged.
    lines = content.decode("utf-8-sig", errors="surrogateescape").split("\n")
    header = _header(file, lines[0])
    good: list[tuple[int, dict[str, str]]] = []
    damages: dict[int, Damaged] = {}
    for place, cells in _records(lines, len(header)):
        try:
            good.append((place, _by_column(header, cells)))
        except Damaged as damage:
            damages[place] = damage
    metrics = metric_columns(header, (cells for _, cells in good))
    rows = []
    for place, cells in good:
        try:
            rows.append(Row.from_cells(cells, metrics, place))
        except Damaged as damage:
            damages[place] = damage
    return rows, [left_out(file, place, damages[place]) for place in sorted(damages)]


def left_out(file: Path, line: int, damage: Damaged) -> str:
    """The sentence for a line of a ledger that is not used."""
    return f"line {line} of {file.name} is left out: {damage}."


def _header(file: Path, line: str) -> list[str]:
    try:
        header = next(csv.reader([line]), [])
    except csv.Error as error:
        raise BadInput(f"{file} is not a ledger ({error}); rebuild it with {REBUILD}") from error
    missing = [column for column in COLUMNS if column not in (*header, *ADDED)]
    if missing:
        raise BadInput(f"{file} is not a ledger: column {missing[0]!r} is missing; rebuild it with {REBUILD}")
    repeated = [column for column in header if header.count(column) > 1]
    if repeated:
        raise BadInput(f"{file} is not a ledger: column {repeated[0]!r} is repeated; rebuild it with {REBUILD}")
    return header


def _records(lines: list[str], width: int) -> Iterator[tuple[int, list[str] | Damaged]]:
    """(line number, its cells) of each record after the header.

    A quoted cell may hold line breaks. A quote that is never closed damages its own line only: a line
    that is a complete record is never taken as part of a cell.
    """
    place = 1
    while place < len(lines):
        text, used = lines[place], 1
        cells = _split(text)
        while cells is None and place + used < len(lines):
            following = lines[place + used]
            if isinstance(alone := _split(following), list) and len(alone) == width:
                break
            text, used = f"{text}\n{following}", used + 1
            cells = _split(text)
        if cells is None or isinstance(cells, Damaged):
            cells, used = cells or Damaged("it is not CSV (a quote is never closed)"), 1
        if text.strip():
            yield place + 1, cells
        place += used


def _split(text: str) -> list[str] | Damaged | None:
    """The cells of a record; None where a quote is still open at its end."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else Damaged(f"it is not CSV ({error})")


def _by_column(header: list[str], cells: list[str] | Damaged) -> dict[str, str]:
    if isinstance(cells, Damaged):
        raise cells
    if len(cells) < len(header):
        raise Damaged(f"it ends before column {header[len(cells)]!r}")
    if len(cells) > len(header):
        first = shown(cells[len(header)])
        raise Damaged(f"it has {len(cells)} cells for {len(header)} columns; the first too many is {first}")
    row = dict(zip(header, cells, strict=True))
    check_text(row)
    return row


def write(file: Path, rows: Iterable[Row]) -> None:
    """Writes a ledger atomically, its rows sorted by run_id.

    After the fixed columns come the headline metrics, then the other metrics by name, those of
    further sets (`set5/psnr_y`) last. A lone surrogate, which UTF-8 cannot hold, is written as its escape.
    """
    rows = sorted(rows, key=lambda row: row.run_id)
    headlines = {row.headline_metric for row in rows}
    metrics = {name for row in rows for name in row.metrics}
    ordered = sorted(metrics, key=lambda name: (name not in headlines, "/" in name, name))
    remarks = sorted({name for row in rows for name in row.remarks} - metrics)
    header = [*COLUMNS, *ordered, *remarks]
    lines = [csv_line(header)]
    for row in rows:
        cells = row.cells()
        lines.append(csv_line([cells.get(name, "") for name in header]))
    write_atomically(file, "".join(lines).encode("utf-8", errors="backslashreplace"))


def csv_line(cells: list[str]) -> str:
    """Cells as one line of a CSV file, its end included."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)  # so that a cell with \r or \n is quoted
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def record(file: Path, *results: Mapping[str, object]) -> None:
    """Writes the rows of runs into a ledger, replacing older rows of the same runs.

    Raises:
        BadInput: a result or a line of the ledger is damaged; the ledger is unchanged.
    """
    replacing = {row.run_id: row for row in map(_row_of, results)}
    _change(file, lambda rows: [*(row for row in rows if row.run_id not in replacing), *replacing.values()])


def remove(file: Path, run_ids: Collection[str]) -> None:
    """Takes the rows of runs out of a ledger.

    Raises:
        BadInput: a line of the ledger is damaged; the ledger is unchanged.
    """
    if run_ids:
        _change(file, lambda rows: [row for row in rows if row.run_id not in run_ids])


def _change(file: Path, changed: Callable[[list[Row]], list[Row]]) -> None:
    with locked(file):
        write(file, changed(_undamaged(file)))


def check(file: Path) -> None:
    """Raises `BadInput` where `record` would not write into this ledger; to be asked before a run is trained."""
    with locked(file):
        _undamaged(file)


def _undamaged(file: Path) -> list[Row]:
    rows, problems = read(file)
    if problems:
        raise BadInput(f"{file} is left unchanged: {problems[0]} Repair or delete that line, or {REBUILD}")
    return rows


def _row_of(result: Mapping[str, object]) -> Row:
    try:
        return Row.from_result(result)
    except Damaged as damage:
        raise BadInput(f"the result of run {result.get('run_id')} is no row of a ledger: {damage}") from damage


def locked(file: Path) -> AbstractContextManager[object]:
    """Locks a ledger, or another file, for this process, until the end of a `with`.

    Raises:
        BadInput: its file cannot be made.
    """
    lock = filelock.FileLock(file.with_name(f".{file.name}.lock"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return lock.acquire()
    except OSError as error:
        raise BadInput(f"{lock.lock_file} cannot be written: {error.strerror}; name a ledger elsewhere") from error


def results_under(output_root: Path) -> list[tuple[Path, dict[str, object]]]:
    """(folder, result) of every run under `output_root` that has one."""
    return [(file.parent, read_json(file)) for file in _result_files(output_root)]


def _result_files(output_root: Path) -> list[Path]:
    files = sorted(output_root.rglob(RESULT))
    return [file for file in files if "replaced" not in file.relative_to(output_root).parts]


def rebuild(output_root: Path) -> tuple[list[Row], list[str]]:
    """Rebuilds `output_root`/ledger.csv from the run directories.

    Returns:
        Its rows, and one sentence for each damaged result, which is left out.
    """
    rows, problems = [], []
    with locked(output_root / FILE):
        for file in _result_files(output_root):
            try:
                rows.append(Row.from_result(read_json(file)))
            except Damaged as damage:
                problems.append(f"{file} is left out: {damage}.")
            except BadInput as damage:
                problems.append(f"{file} is left out: {str(damage).partition('; ')[0]}.")
        write(output_root / FILE, rows)
    return sorted(rows, key=lambda row: row.run_id), problems
