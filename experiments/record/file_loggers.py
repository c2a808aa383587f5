"""Loggers that write into the run's folder: CSV files and TensorBoard's event files. Errors are raised."""

import csv
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.record.ledger import csv_line
from experiments.record.run_directory import EPOCHS, EVENTS, STEPS


class Logger(Protocol):
    """Where the curves of a run go besides its record."""

    place: str
    """The file or folder, or the address, that it writes to."""

    def log(self, record: Mapping[str, object]) -> None:
        """Writes one record of metrics.jsonl."""

    def log_step(self, values: Mapping[str, float]) -> None:
        """Writes the values of one training step: `step`, `epoch` (a fraction) and metrics."""

    def show(self, files: Iterable[Path]) -> None:
        """Shows the pictures among `files`."""

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Closes it; None: the run will be resumed later."""


def check_packages(loggers: Iterable[str]) -> None:
    """Raises `BadInput` for a logger whose package is not installed."""
    if "tensorboard" in loggers and importlib.util.find_spec("tensorboard") is None:
        raise BadInput(
            "logger=tensorboard needs the package tensorboard; install it: pip install tensorboard, "
            "or choose another logger, like logger=csv"
        )


def flat(record: Mapping[str, object]) -> dict[str, float]:
    """A record with the activations' statistics as `activations/<layer>/<name>`."""
    values = {key: value for key, value in record.items() if key != "activations"}
    for layer, learned in record.get("activations", {}).items():
        values.update({f"activations/{layer}/{name}": value for name, value in learned.items()})
    return values


class CSVLogger:
    """`epochs.csv`, a row for the start and each epoch, and `steps.csv`, a row every so many steps.

    Args:
        folder: the run's folder.
        done_steps: those that a resumed run has done; later rows of an earlier attempt are dropped.
    """

    def __init__(self, folder: Path, done_steps: int):
        self._epochs, self._steps = folder / EPOCHS, folder / STEPS
        self.place = str(self._epochs)
        self._rows = {file: _rows_until(file, done_steps) for file in (self._epochs, self._steps)}
        for file, rows in self._rows.items():
            if file.exists():
                _write(file, rows)

    def log(self, record: Mapping[str, object]) -> None:
        self._rows[self._epochs].append(flat(record))
        _write(self._epochs, self._rows[self._epochs])
        if self._rows[self._steps]:
            _write(self._steps, self._rows[self._steps])  # steps are on disk after each epoch

    def log_step(self, values: Mapping[str, float]) -> None:
        self._rows[self._steps].append(dict(values))

    def show(self, files: Iterable[Path]) -> None: ...

    def finish(self, result: Mapping[str, object] | None) -> None:
        if self._rows[self._steps]:
            _write(self._steps, self._rows[self._steps])


def _rows_until(file: Path, step: int) -> list[dict[str, object]]:
    """The rows of a file up to a step; none where there is no such file or it is a new run."""
    if not file.exists() or not step:
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if (row.get("step") or "").isdigit() and int(row["step"]) <= step]


def _write(file: Path, rows: list[dict[str, object]]) -> None:
    """The rows with the columns of all of them, in the order in which they first occur."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [csv_line(columns), *(csv_line([str(row.get(column, "")) for column in columns]) for row in rows)]
    write_atomically(file, "".join(lines).encode())


class TensorBoardLogger:
    """Event files in `tensorboard/` of the run's folder.

    Args:
        folder: the run's folder.
        done_steps: those that a resumed run has done; TensorBoard hides later points of an earlier attempt.
    """

    def __init__(self, folder: Path, done_steps: int):
        from torch.utils.tensorboard import SummaryWriter

        self.place = str(folder / EVENTS)
        self._writer = SummaryWriter(self.place, purge_step=done_steps + 1 if done_steps else None)
        self._last = done_steps

    def log(self, record: Mapping[str, object]) -> None:
        self._last = int(record["step"])
        for name, value in flat(record).items():
            if name != "step":
                self._writer.add_scalar(name, value, self._last)
        self._writer.flush()

    def log_step(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if name not in ("step", "epoch"):
                self._writer.add_scalar(name, value, int(values["step"]))

    def show(self, files: Iterable[Path]) -> None:
        import numpy as np
        from PIL import Image

        for file in files:
            if file.suffix == ".png":
                with Image.open(file, formats=["PNG"]) as picture:
                    pixels = np.array(picture.convert("RGB"))
                self._writer.add_image(f"pictures/{file.stem}", pixels, self._last, dataformats="HWC")

    def finish(self, result: Mapping[str, object] | None) -> None:
        self._writer.close()
