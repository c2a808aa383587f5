"""One run on disk: its settings, environment, metrics, checkpoint, predictions and, last of all, its result."""

import contextlib
import io
import json
import os
import platform
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import filelock
import numpy as np
import yaml
from omegaconf import OmegaConf

from experiments.configuration.composition import as_dict
from experiments.configuration.schema import Config
from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.record import checkpoint

RESULT, METRICS, CHECKPOINT = "result.json", "metrics.jsonl", "checkpoint.pt"
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
        BadInput: the file is damaged.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadInput(f"{file} is damaged ({error}); delete it, or add force=true to restart the run") from error


def read_metrics(file: Path) -> list[dict[str, object]]:
    """The records of a metrics.jsonl, in order.

    Raises:
        BadInput: a line of the file is damaged.
    """
    records = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:
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
        with np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays)
        if not all(isinstance(each, np.ndarray) for each in found.values()):
            raise ValueError("it holds other things than arrays")
        return found
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"{file} is damaged ({reason}) and not used; restore the undamaged file") from error


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
        lock = filelock.FileLock(self.path / "run.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            who = read_json(holder) or {"process": "unknown", "host": "unknown", "since": "unknown"}
            raise BadInput(
                f"{self.path} is in use: process {who['process']} on {who['host']} has run it since {who['since']}; "
                "wait for it or stop it, then give the same command again"
            ) from error
        except OSError as error:
            raise self._unusable(error) from error
        try:
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            write_atomically(holder, to_json({"process": os.getpid(), "host": platform.node(), "since": since}))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()

    def set_aside(self) -> None:
        """Moves existing files into `replaced/<number>/`, so that the run can restart and nothing is lost."""
        # The result first: after a kill in between, the run then counts as interrupted, not as finished.
        kept = (METRICS, ENVIRONMENT, CONFIG, TRACEBACK, PREDICTIONS, ARTIFACTS, TASK_STATE, EPOCHS, STEPS, EVENTS)
        names = (RESULT, CHECKPOINT, *kept)
        old = [self.path / name for name in names if (self.path / name).exists()]
        if old:
            replaced = self.path / "replaced"
            target = replaced / f"{len(list(replaced.glob('*'))) + 1}"
            target.mkdir(parents=True)
            for file in old:
                file.replace(target / file.name)

    def restart_under_way(self) -> bool:
        """Whether a restart by force=true is unfinished here, so that force=true resumes it."""
        config = self.path / CONFIG
        return config.exists() and bool(OmegaConf.load(config).get("force")) and not (self.path / RESULT).exists()

    def begin(self, cfg: Config, environment: dict[str, object]) -> None:
        """Writes config.yaml and environment.json, before the first step."""
        write_atomically(self.path / CONFIG, yaml.safe_dump(as_dict(cfg), sort_keys=False, allow_unicode=True).encode())
        write_atomically(self.path / ENVIRONMENT, to_json(environment))

    def environment(self) -> dict[str, object] | None:
        return read_json(self.path / ENVIRONMENT)

    def write_metrics(self, history: list[dict[str, object]]) -> None:
        """Rewrites metrics.jsonl, one record per line, so that it always agrees with the checkpoint's history."""
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
        """Writes checkpoint.pt, as `checkpoint.save` does."""
        checkpoint.save(self.checkpoint, content)

    def result(self) -> dict[str, object] | None:
        return read_json(self.path / RESULT)

    def finish(self, result: dict[str, object]) -> None:
        """Writes result.json, which marks the run as ended."""
        if result["status"] != "failed":
            (self.path / TRACEBACK).unlink(missing_ok=True)
        write_atomically(self.path / RESULT, to_json(result))


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
