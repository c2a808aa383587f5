"""What a sweep keeps in its folder: the runs it is made of, and how far each of them has come."""

import contextlib
import functools
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock

from experiments.training.job import Ending

LOCK = "sweep.lock"
"""Held by the sweep's own process as long as it lives."""

RUNNING, NOT_RUN = "running", "not run"
"""States of a run that has not ended; the others are those of `Ending.state`."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        overrides: what distinguishes it, as it was given to Hydra.
        state: RUNNING, NOT_RUN or how it ended.
        ending: how it ended, None while it has not.
        began, ended: seconds since 1970; 0.0 where it has not.
    """

    overrides: list[str]
    state: str = NOT_RUN
    ending: Ending | None = None
    began: float = 0.0
    ended: float = 0.0


class SweepFolder:
    """The files of one sweep; every process that has a part in it reads and writes them.

    Args:
        path: the folder, which is there.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, wanted: Path, about: dict[str, object]) -> "SweepFolder":
        """A new folder at `wanted`, or beside it where there is one already, for a sweep of this process.

        Args:
            wanted: its path.
            about: what every process of the sweep needs to know; `jobs` lists the overrides of each run.
        """
        path, number = wanted, 1
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
                path = wanted.with_name(f"{wanted.name}-{number}")
        owner = {"process": os.getpid(), "host": platform.node()}
        _write(path / "sweep.json", {**about, **owner})
        folder = cls(path)
        folder._lock = filelock.FileLock(path / LOCK)
        folder._lock.acquire()  # the system frees it when this process ends in any way
        return folder

    @functools.cached_property
    def about(self) -> dict[str, object]:
        """What `create` was told, and the process that it was created by."""
        return json.loads((self.path / "sweep.json").read_text(encoding="utf-8"))

    def ask_to_stop(self) -> None:
        """Tells every run to write a checkpoint and end, and none to begin any more."""
        (self.path / "stop").touch()

    def was_asked_to_stop(self) -> bool:
        return (self.path / "stop").exists()

    def is_abandoned(self) -> bool:
        """Whether the sweep's own process is gone from this machine; runs on a cluster outlive it."""
        if self.about["host"] != platform.node() or self.about["launcher"] == "submitit_slurm":
            return False
        lock = filelock.FileLock(self.path / LOCK)
        with contextlib.suppress(filelock.Timeout), lock.acquire(timeout=0):
            return True
        return False

    def must_stop(self) -> bool:
        """Whether the runs shall end."""
        return self.was_asked_to_stop() or self.is_abandoned()

    def log(self, number: int) -> Path:
        """Where run `number` writes what it says, if not to the terminal."""
        return self.path / f"{number}.log"

    def begin(self, number: int, overrides: list[str]) -> None:
        """Notes that run `number` is under way."""
        _write(self._file(number), asdict(Job(overrides, RUNNING, began=time.time())))

    def end(self, number: int, ending: Ending) -> None:
        """Notes how run `number` ended."""
        job = json.loads(self._file(number).read_text(encoding="utf-8"))
        _write(self._file(number), {**job, "state": ending.state, "ending": asdict(ending), "ended": time.time()})

    def jobs(self) -> list[Job]:
        """Every run of the sweep, as it stands now."""
        known = [_job(json.loads(file.read_text(encoding="utf-8"))) for file in self.path.glob("jobs/*.json")]
        by_overrides = {tuple(job.overrides): job for job in known}
        return [by_overrides.get(tuple(overrides), Job(overrides)) for overrides in self.about["jobs"]]

    def has_ended(self, number: int) -> bool:
        file = self._file(number)
        return file.exists() and json.loads(file.read_text(encoding="utf-8"))["ending"] is not None

    def _file(self, number: int) -> Path:
        return self.path / "jobs" / f"{number}.json"


def _job(content: dict[str, object]) -> Job:
    ending = content.pop("ending")
    return Job(**content, ending=Ending(**ending) if ending else None)


def _write(file: Path, content: dict[str, object]) -> None:
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)  # so that nobody reads half a file
