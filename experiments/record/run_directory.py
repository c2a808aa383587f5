"""One run on disk: its settings, environment, metrics, checkpoint, predictions and, last of all, its result."""

import contextlib
import io
import json
import os
import platform
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock
import numpy as np
import yaml
from omegaconf import OmegaConf

from experiments.configuration.composition import as_dict
from experiments.configuration.schema import Config
from experiments.errors import BadInput, one_line
from experiments.files import write_atomically
from experiments.record import checkpoint
from experiments.record.row import COLUMNS, Damaged, Row
from experiments.record.sums import SUMS, write_sums

RESULT, METRICS, CHECKPOINT = "result.json", "metrics.jsonl", "checkpoint.pt"
LOCK = "run.lock"
"""What a process holds while it runs the run."""
PREVIOUS = "checkpoint.previous.pt"
"""The checkpoint before the last one, in case that the last one is damaged; a run that has ended needs none."""
ENVIRONMENT, CONFIG, TRACEBACK = "environment.json", "config.yaml", "traceback.txt"
ARTIFACTS = "artifacts"
TASK_STATE = "task.json"
"""What the task learned from the training data besides weights, like a vocabulary; absent where that is nothing."""
PREDICTIONS = "predictions.npz"
"""The result of each example, by `<set>/<name>`."""
EPOCHS, STEPS, EVENTS = "epochs.csv", "steps.csv", "tensorboard"
"""What the loggers csv and tensorboard write."""
PICTURE = "comparison.png"
"""The artifact that is published with a run, if it exists."""


def read_json(file: Path) -> dict[str, object] | None:
    """The object in `file`, or None where there is no such file.

    Raises:
        BadInput: the file is damaged, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds {str(content)[:60]!r}, not an object")
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(file, str(error)) from error


def damaged(file: Path, reason: str) -> BadInput:
    """The error for a file of a run that cannot be used."""
    return BadInput(f"{file} is damaged ({reason}); delete it, or add force=true to restart the run")


def read_metrics(file: Path) -> list[dict[str, object]]:
    """The records of a metrics.jsonl, in order.

    Raises:
        BadInput: a line of the file is damaged.
    """
    records = []
    try:
        content = file.read_text(encoding="utf-8", errors="replace").removesuffix("\n")
    except OSError as error:
        raise damaged(file, str(error)) from error
    for number, line in enumerate(content.split("\n") if content else [], start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("epoch"), int):
            raise BadInput(
                f"{file}, line {number} is damaged: {line[:60]!r} is not the record of an epoch; "
                "restore the undamaged file, or restart the run with force=true"
            )
        records.append(record)
    return records


def read_predictions(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a predictions.npz by their names.

    Raises:
        BadInput: the file is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:  # NumPy may stop reading before it comes to a checksum
            if not archive.namelist() or archive.testzip() is not None:
                raise ValueError("its checksum does not agree")
        with np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays)
        if not all(isinstance(each, np.ndarray) for each in found.values()):
            raise ValueError("it holds other things than arrays")
        return found
    except Exception as error:  # NumPy and zipfile raise errors of many kinds for damaged files
        reason = one_line(error)
        raise BadInput(f"{file} is damaged ({reason}) and not used; restore the undamaged file") from error


def _said_by(holder: Path) -> str:
    """Which process holds a run, as far as its file says it."""
    try:
        who = read_json(holder) or {}
    except BadInput:
        who = {}
    process, host, since = (who.get(key, "unknown") for key in ("process", "host", "since"))
    return f"process {process} on {host} has run it since {since}"


def to_json(content: object) -> bytes:
    """The text of a JSON file, UTF-8."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path):
        self.path = path

    def create(self) -> None:
        """Makes the folder.

        Raises:
            BadInput: it cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> BadInput:
        return BadInput(
            f"the run's folder {self.path} cannot be written: {error.strerror}; "
            "name another folder with output_root=FOLDER"
        )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the run for this process; the system releases the lock when the process ends.

        Raises:
            BadInput: another process holds it (the message says which), or the folder cannot be written.
        """
        holder = self.path / "holder.json"
        lock = filelock.FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise BadInput(
                f"{self.path} is in use: {_said_by(holder)}; wait for it or stop it, then give the same command again"
            ) from error
        except OSError as error:
            raise self._unusable(error) from error
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            write_atomically(holder, to_json({"process": os.getpid(), "host": platform.node(), "since": since}))
            yield
        finally:
            with contextlib.suppress(OSError):  # a file of the user's in its place
                holder.unlink(missing_ok=True)
            lock.release()

    def set_aside(self) -> None:
        """Moves existing files into `replaced/<number>/`, so that the run can restart and nothing is lost."""
        # The result first: after a kill in between, the run then counts as interrupted, not as finished.
        of_task = (PREDICTIONS, ARTIFACTS, TASK_STATE, SUMS, EPOCHS, STEPS, EVENTS)
        names = (RESULT, PREVIOUS, CHECKPOINT, METRICS, ENVIRONMENT, CONFIG, TRACEBACK, *of_task)
        old = [self.path / name for name in names if (self.path / name).exists()]
        old += self.path.glob("*.part")
        if not old:
            return
        number = 1
        while (target := self.path / "replaced" / str(number)).exists():
            number += 1
        try:
            target.mkdir(parents=True)
            for file in old:
                file.replace(target / file.name)
        except OSError as error:
            raise self._unusable(error) from error

    def restart_under_way(self) -> bool:
        """Whether a restart by force=true is unfinished here, so that force=true resumes it."""
        if (self.path / RESULT).exists():
            return False
        try:
            return OmegaConf.load(self.path / CONFIG).get("force") is True
        except Exception:  # there is none, or it is damaged in whatever way
            return False

    def begin(self, cfg: Config, environment: dict[str, object]) -> None:
        """Writes config.yaml and environment.json, before the first step."""
        write_atomically(self.path / CONFIG, yaml.safe_dump(as_dict(cfg), sort_keys=False, allow_unicode=True).encode())
        write_atomically(self.path / ENVIRONMENT, to_json(environment))

    def environment(self) -> dict[str, object] | None:
        return read_json(self.path / ENVIRONMENT)

    def write_metrics(self, history: list[dict[str, object]]) -> None:
        """Rewrites metrics.jsonl, one record per line, so that it always agrees with the checkpoint's history."""
        (self.path / SUMS).unlink(missing_ok=True)  # of a failed end that is tried again
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in history]
        write_atomically(self.path / METRICS, "".join(lines).encode())

    def write_predictions(self, predictions: Mapping[str, np.ndarray]) -> None:
        """Writes predictions.npz, compressed; no file where there are none."""
        if predictions:
            content = io.BytesIO()
            np.savez_compressed(content, **predictions)
            write_atomically(self.path / PREDICTIONS, content.getvalue())

    def write_task_state(self, state: Mapping[str, object]) -> None:
        """Writes task.json; no file where there is nothing to write."""
        if state:
            write_atomically(self.path / TASK_STATE, to_json(state))

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    def save(self, content: dict[str, object]) -> None:
        """Writes checkpoint.pt, as `checkpoint.save` does; the one before it is kept."""
        checkpoint.save(self.checkpoint, content, self.path / PREVIOUS)

    def load(self) -> tuple[dict[str, object] | None, str]:
        """The last checkpoint that is not damaged, None if there is no checkpoint; and a sentence if one is damaged."""
        return checkpoint.load_newest(self.checkpoint, self.path / PREVIOUS)

    def result(self) -> dict[str, object] | None:
        """The content of result.json, its columns typed as in a row of the ledger; None if the run has not ended.

        Raises:
            BadInput: it is damaged.
        """
        result = read_json(self.path / RESULT)
        if result is None:
            return None
        try:
            typed = Row.from_result(result).as_result()
        except Damaged as damage:
            raise damaged(self.path / RESULT, str(damage)) from damage
        return {"reason": "", **result, **{key: typed[key] for key in COLUMNS if key in result}}

    def finish(self, result: dict[str, object]) -> None:
        """Writes result.json, which marks the run as ended, and before it the checksums of the text files."""
        if result["status"] != "failed":
            (self.path / TRACEBACK).unlink(missing_ok=True)
        content = to_json(result)
        write_sums(self.path, (CONFIG, ENVIRONMENT, METRICS, TASK_STATE), {RESULT: content})
        write_atomically(self.path / RESULT, content)
        if result["status"] != "failed":
            (self.path / PREVIOUS).unlink(missing_ok=True)


class ReadOnlyRunDirectory(RunDirectory):
    """A read-only run directory, for every process but the main one."""

    def create(self) -> None: ...

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def set_aside(self) -> None: ...

    def begin(self, cfg: Config, environment: dict[str, object]) -> None: ...

    def write_metrics(self, history: list[dict[str, object]]) -> None: ...

    def write_predictions(self, predictions: Mapping[str, np.ndarray]) -> None: ...

    def write_task_state(self, state: Mapping[str, object]) -> None: ...

    def save(self, content: dict[str, object]) -> None: ...

    def finish(self, result: dict[str, object]) -> None: ...
