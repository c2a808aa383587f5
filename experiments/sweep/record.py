"""The record of a sweep in its folder: its jobs and their states."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.configuration.sweeper import Comparison
from experiments.training.job import Ending

RUNNING, NOT_RUN = "running", "not run"
"""States of a job that has not ended; the others are those of `Ending.state`."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        overrides: the overrides of the job, as Hydra accepts them.
        state: RUNNING, NOT_RUN or the state of its ending.
        ending: its outcome; None before it ends.
        began, ended: seconds since 1970; 0.0 before it does.
    """

    overrides: list[str]
    state: str = NOT_RUN
    ending: Ending | None = None
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Conclusion:
    """The end of a sweep of hydra/sweeper=verdict.

    Args:
        sentences: why it ended, and how to go on.
        baseline: the label of the activation that the others were compared with; None if none of its runs has one.
    """

    sentences: list[str]
    baseline: str | None = None


class SweepFolder:
    """The files of one sweep; the coordinator and the processes of its jobs read and write them.

    Args:
        path: the folder, which exists.
    """

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(
        cls, path: Path, jobs: list[list[str]], launcher: str, comparisons: Sequence[Comparison] = ()
    ) -> "SweepFolder":
        """Makes the folder of a sweep; if `path` exists, one next to it.

        Args:
            path: the wanted path.
            jobs: the overrides of each planned job.
            launcher: the option of hydra/launcher.
            comparisons: what hydra/sweeper=verdict decides.
        """
        wanted, number = path, 1
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
                path = wanted.with_name(f"{wanted.name}-{number}")
        about = {"jobs": jobs, "launcher": launcher, "comparisons": list(map(asdict, comparisons))}
        _write(path / "sweep.json", about)
        return cls(path)

    @property
    def about(self) -> dict[str, object]:
        """The planned `jobs`, the `launcher` and the `comparisons`, as given to `create`."""
        return json.loads((self.path / "sweep.json").read_text(encoding="utf-8"))

    @property
    def comparisons(self) -> list[Comparison]:
        """What hydra/sweeper=verdict decides."""
        return [Comparison(**each) for each in self.about["comparisons"]]

    def plan(self, jobs: Sequence[list[str]]) -> None:
        """Adds jobs that a sweeper will start."""
        about = self.about
        _write(self.path / "sweep.json", {**about, "jobs": [*about["jobs"], *jobs]})

    def conclude(self, conclusion: "Conclusion") -> None:
        """Records what hydra/sweeper=verdict says at its end."""
        _write(self.path / "conclusion.json", asdict(conclusion))

    def conclusion(self) -> "Conclusion | None":
        """What it said, None if it did not come to its end."""
        file = self.path / "conclusion.json"
        return Conclusion(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None

    def request_stop(self) -> None:
        """Asks every job to write a checkpoint and end, and prevents further jobs from starting."""
        (self.path / "stop").touch()

    def stop_requested(self) -> bool:
        return (self.path / "stop").exists()

    def log(self, number: int) -> Path:
        """The output of job `number` in a pool."""
        return self.path / f"{number}.log"

    def job_file(self, number: int) -> Path:
        """The record of job `number`."""
        return self.path / "jobs" / f"{number}.json"

    def begin(self, number: int, overrides: list[str]) -> None:
        """Records that job `number` is running."""
        _write(self.job_file(number), asdict(Job(overrides, RUNNING, began=time.time())))

    def end(self, number: int, ending: Ending) -> None:
        """Records how job `number` ended."""
        write_ending(self.job_file(number), ending)

    def ending(self, number: int) -> Ending | None:
        """How job `number` ended, None if it has not."""
        file = self.job_file(number)
        return _read(file).ending if file.exists() else None

    def jobs(self) -> list[Job]:
        """Every job of the sweep, the planned ones first; a sweeper may have added others."""
        files = sorted(self.path.glob("jobs/*.json"), key=lambda file: int(file.stem))
        jobs = {tuple(overrides): Job(overrides) for overrides in self.about["jobs"]}
        for job in map(_read, files):
            jobs[tuple(job.overrides)] = job
        return list(jobs.values())


def write_ending(job_file: Path, ending: Ending) -> None:
    """Records how the job of `SweepFolder.job_file` ended."""
    job = json.loads(job_file.read_text(encoding="utf-8"))
    _write(job_file, {**job, "state": ending.state, "ending": asdict(ending), "ended": time.time()})


def _read(job_file: Path) -> Job:
    content = json.loads(job_file.read_text(encoding="utf-8"))
    ending = content.pop("ending")
    return Job(**content, ending=Ending(**ending) if ending else None)


def _write(file: Path, content: dict[str, object]) -> None:
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(file)  # atomic
