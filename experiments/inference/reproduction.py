"""Making a run of a ledger again by the command in its row, and comparing what it reached."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.analysis.runs import Conditions
from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import check_choices, validate
from experiments.configuration.task_spec import task_package
from experiments.errors import BadInput, one_line, unknown
from experiments.record import ledger
from experiments.record.environment import code_hash, device_name, kernel_in_use, processor_features
from experiments.record.reproduced import Reproduced
from experiments.record.row import Row
from experiments.tasks.contract import build_task

ROOT = Path(__file__).parents[2]

_COMPARED = ("status", "headline_value", "parameters", "steps")
"""Besides the metrics."""

_ELSEWHERE = ("data_root", "data.root", "data.test_root", "data.download", "data.cache")
"""What may be added to the command of a row: where its data are."""


def row_named(file: Path, name: str) -> Row:
    """The row of a ledger with this run_id, or the only one whose run_id begins with `name`.

    Raises:
        BadInput: the ledger is missing or is none, or no row or several have the name.
    """
    if not file.is_file():
        raise BadInput(f"there is no ledger {file}; name one with --ledger")
    rows, _ = ledger.read(file)
    known = {row.run_id: row for row in rows}
    found = [known[name]] if name in known else [row for run_id, row in known.items() if run_id.startswith(name)]
    if not found:
        raise unknown("run", name, known, f"the column run_id of {file} has them all")
    if len(found) > 1:
        raise BadInput(f"{name!r} begins {len(found)} run_ids of {file}: {', '.join(row.run_id for row in found)}")
    return found[0]


def check_elsewhere(words: Sequence[str]) -> None:
    """Raises `BadInput` for a word that may not be added to a row's command."""
    for word in words:
        if word.partition("=")[0] not in _ELSEWHERE or "=" not in word:
            raise BadInput(f"{word!r} is not accepted; accepted: {', '.join(f'{key}=…' for key in _ELSEWHERE)}")


def check_repeatable(row: Row, elsewhere: Sequence[str] = ()) -> None:
    """Checks that a row's command still asks for what the row has, on the same data.

    Args:
        row: the run.
        elsewhere: where its data are: `data_root=FOLDER` and the like.

    Raises:
        BadInput: the command asks for something else by now, or the data are missing or others.
    """
    way_out = f"--at-its-commit repeats it with its own code, {row.git_commit[:10] or 'of a commit nobody recorded'}"
    try:
        cfg, choices = compose([*_words(row), *elsewhere])
        check_choices(choices)
        config = validate(cfg)
        now = identify(cfg, choices, row.data_fingerprint).config_hash
    except (BadInput, HydraException, OmegaConfBaseException) as error:
        raise BadInput(f"the command of {row.run_id} is not accepted here: {one_line(error)}; {way_out}") from error
    if now != row.config_hash:
        raise BadInput(f"the command of {row.run_id} means other settings by now, as a default changed; {way_out}")
    content = build_task(config).data_fingerprint(config)
    if content != row.data_fingerprint:
        raise BadInput(
            f"the data of {row.run_id} are others here: {content}, in its row {row.data_fingerprint or 'unknown'}; "
            "name their folder with data_root=FOLDER"
        )


def unlike_here(row: Row, its_code: bool = False) -> dict[str, tuple[str, str]]:
    """What the last bits of a result depend on and is not as in the row: name → (in the row, here).

    Args:
        row: the run.
        its_code: whether it is made again with the code of its commit.
    """
    device = torch.device(next((word[15:] for word in _words(row) if word.startswith("trainer.device=")), "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"{row.run_id} was made on {row.device}, and no GPU is here; it cannot be compared elsewhere")
    here = Conditions(
        torch=torch.__version__,
        kernel=kernel_in_use(device),
        code_hash=row.code_hash if its_code else code_hash(task_package(row.task)),
        processor=processor_features(device),
        device=device_name(device),
    )
    names = [field.name for field in fields(Conditions)]
    return {name: pair for name in names if (pair := (getattr(row, name), getattr(here, name)))[0] != pair[1]}


def command_for(row: Row, output_root: Path, elsewhere: Sequence[str] = (), checkout: Path = ROOT) -> list[str]:
    """The row's command, for a checkout and this Python, with its results under `output_root`."""
    launch = {"python": sys.executable, "run.py": str(checkout / "run.py")}
    words = [launch.get(word, word) for word in shlex.split(row.command)]
    return [*words, f"output_root={output_root}", *elsewhere]


@contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """A checkout of a commit, in a temporary folder.

    Raises:
        BadInput: this is no clone with that commit.
    """
    git = ["git", "-C", str(ROOT)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "carelu")
        command = [*git, "worktree", "add", "--quiet", "--detach", str(place), commit or "none"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BadInput(
                f"commit {commit or 'none'} cannot be checked out here: {' '.join(done.stderr.split())}; it needs a "
                "clone with the whole history, like one after git fetch --unshallow"
            )
        try:
            yield place
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(place)], capture_output=True)


def _words(row: Row) -> list[str]:
    """The overrides of a row's command, which `python` or `torchrun` starts."""
    try:
        words = shlex.split(row.command)
    except ValueError:  # a quote that is not closed
        words = []
    if "run.py" not in words:
        raise BadInput(f"it is {row.command!r}, not one of run.py")
    return words[words.index("run.py") + 1 :]


@dataclass(frozen=True)
class Repetition:
    """A run, and the same run made again."""

    recorded: Row
    made: Row

    @property
    def values(self) -> dict[str, tuple[object, object]]:
        """Each value that is compared: name → (in the ledger, made again); None where one has no such value."""
        first, second = (_values(row) for row in (self.recorded, self.made))
        return {name: (first.get(name), second.get(name)) for name in {**first, **second}}

    @property
    def differences(self) -> dict[str, tuple[object, object]]:
        """Those of `values` that differ in any bit."""
        return {name: pair for name, pair in self.values.items() if pair[0] != pair[1]}

    def as_record(self) -> Reproduced:
        """What reproduced.csv says of it."""
        differing = self.differences
        return Reproduced(
            run_id=self.recorded.run_id,
            finished_at=self.recorded.finished_at,
            equal=not differing,
            differs_in=" ".join(differing),
            compared=len(self.values),
            git_commit=self.made.git_commit,
            device=self.made.device,
            processor=self.made.processor,
            torch=self.made.torch,
            repeated_at=self.made.finished_at,
        )


def _values(row: Row) -> Mapping[str, object]:
    return {**{name: getattr(row, name) for name in _COMPARED}, **row.metrics}


def repetition_in(output_root: Path, row: Row) -> Repetition | None:
    """The run that was made again under `output_root`; None where it did not end.

    Raises:
        BadInput: the ledger there cannot be read.
    """
    rows, _ = ledger.read(output_root / ledger.FILE)
    return next((Repetition(row, made) for made in rows if made.run_id == row.run_id), None)
