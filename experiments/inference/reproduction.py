"""Making a run of a ledger again by the command in its row, and comparing what it reached."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.composition import compose, literal
from experiments.configuration.identity import identify
from experiments.configuration.schema import Config, check_choices, validate
from experiments.configuration.task_spec import task_package
from experiments.errors import BadInput, one_line
from experiments.record import ledger
from experiments.record.environment import code_hash, device_name, kernel_in_use, processor_features, versions_of
from experiments.record.reproduced import Reproduced
from experiments.record.row import Row
from experiments.record.stored_runs import run_id_named
from experiments.tasks.contract import build_task

ROOT = Path(__file__).parents[2]

_COMPARED = ("status", "headline_value", "parameters", "steps")
"""Besides the metrics."""

_DECIDE = (
    *("device", "processor", "threads", "precision", "torch", "numpy", "transformers", "tokenizers"),
    *("kernel", "code_hash", "activation_hash", "data_fingerprint"),
)
"""What the last bits of a result depend on, as columns of a ledger."""

_FOLDERS = ("data_root", "data.root", "data.test_root")
"""What may be added to the command of a row: where its data are."""


def row_named(file: Path, name: str) -> Row:
    """The row of a ledger with this run_id, or the only one whose run_id has `name` as a part.

    Raises:
        BadInput: the ledger is missing or is none, no row or several have the name, or its run failed.
    """
    if not file.is_file():
        raise BadInput(f"there is no ledger {file}; name one with --ledger")
    rows, problems = ledger.read(file)
    known = {row.run_id: row for row in rows}
    row = known[run_id_named(name, known, " ".join([f"The column run_id of {file} has them all.", *problems]))]
    if row.status == "failed":
        raise BadInput(f"{row.run_id} failed, so there is nothing to compare; its command: {row.command}")
    return row


def check_folders(words: Sequence[str]) -> list[str]:
    """What may be added to a row's command, as Hydra takes it.

    Raises:
        BadInput: a word is something else.
    """
    settings = [word.partition("=") for word in words]
    for key, equals, value in settings:
        if key not in _FOLDERS or not equals:
            raise BadInput(f"'{key}{equals}{value}' is not accepted; accepted: {'=…, '.join(_FOLDERS)}=…")
    return [f"{key}={literal(value)}" for key, _, value in settings]


def check_repeatable(row: Row, folders: Sequence[str] = (), its_code: bool = False) -> None:
    """Checks that a row's command still asks for what the row has, on the same data.

    Args:
        row: the run.
        folders: where its data are, as `check_folders` returns them.
        its_code: whether the code of its commit is run; what it means by the command is not known here, and checked
            afterwards by the run's id. The data are checked where this code understands the command.

    Raises:
        BadInput: the command asks for something else by now, or the data are missing, unknown or others.
    """
    commit = row.git_commit[:10]
    way_out = f"--at-its-commit repeats it with its own code, {commit}" if commit else "its commit was not recorded"
    try:
        config, now = _identified(row)
    except BadInput as error:
        if its_code:
            return
        raise BadInput(f"the command of {row.run_id} is not accepted here: {one_line(error)}; {way_out}") from error
    if folders:
        try:
            config, _ = _identified(row, folders)
        except BadInput as error:
            raise BadInput(f"{' '.join(folders)} does not fit {row.run_id}: {error}") from error
    if now != row.config_hash and not its_code:
        raise BadInput(f"the command of {row.run_id} means other settings by now, as a default changed; {way_out}")
    content = build_task(config).data_fingerprint(config)
    if content == row.data_fingerprint:
        return
    if not row.data_fingerprint:
        raise BadInput(
            f"{row.run_id} is older than the column data_fingerprint, so that nobody can tell whether its data are the "
            "same here; it cannot be repeated"
        )
    raise BadInput(
        f"the data of {row.run_id} are others here: {content}, in its row {row.data_fingerprint}; "
        "name their folder with data_root=FOLDER"
    )


def _identified(row: Row, folders: Sequence[str] = ()) -> tuple[Config, str]:
    """(the configuration of a row's command, the hash of the settings on the data of the row)."""
    try:
        cfg, choices = compose([*_words(row), *folders])
        check_choices(choices)
        return validate(cfg), identify(cfg, choices, row.data_fingerprint).config_hash
    except (HydraException, OmegaConfBaseException) as error:
        raise BadInput(one_line(error)) from error


def unlike_here(row: Row, its_code: bool = False) -> dict[str, tuple[str, str]]:
    """What the last bits of a result depend on and is not as in the row: name → (in the row, here).

    Args:
        row: the run.
        its_code: whether it is made again with the code of its commit.

    Raises:
        BadInput: it was made on a GPU, and there is none here.
    """
    words = [word.partition("=") for word in _words(row)]
    device = torch.device(next((value for key, _, value in words if key == "trainer.device"), "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"{row.run_id} was made on {row.device}, and no GPU is here; it cannot be compared elsewhere")
    packages = [name for name in ("numpy", "transformers", "tokenizers") if getattr(row, name)]
    here = {
        "device": device_name(device),
        "processor": processor_features(device),
        "torch": torch.__version__,
        **versions_of(packages),
        "kernel": kernel_in_use(device),
        **({} if its_code else {"code_hash": code_hash(task_package(row.task))}),
    }
    recorded = {name: getattr(row, name) for name in here}
    recorded["device"] = row.device.rpartition(" × ")[2]  # of several processes
    if its_code and row.git_dirty:
        recorded["code_hash"], here["code_hash"] = f"{row.code_hash} with uncommitted changes", "the commit"
    return {name: (recorded[name], here[name]) for name in here if recorded[name] != here[name]}


def command_for(row: Row, output_root: Path, folders: Sequence[str] = (), checkout: Path = ROOT) -> list[str]:
    """The row's command, for a checkout and this Python, with its results under `output_root`.

    `force=true` starts a run that is done again; it resumes one that was interrupted.
    """
    launch = {
        "python": [sys.executable],
        "torchrun": [sys.executable, "-m", "torch.distributed.run"],
        "run.py": [str(checkout / "run.py")],
    }
    words = [word for each in shlex.split(row.command) for word in launch.get(each, [each])]
    return [*words, f"output_root={literal(str(output_root))}", *folders, "force=true"]


@contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """A checkout of a commit, in a temporary folder.

    Raises:
        BadInput: this is no clone with that commit.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "carelu")
        _git("worktree", "add", "--quiet", "--detach", str(place), commit)
        try:
            yield place
        finally:
            _git("worktree", "remove", "--force", str(place))


def check_commit(row: Row) -> None:
    """Raises `BadInput` where the commit of a row cannot be checked out here."""
    if not row.git_commit:
        raise BadInput(f"the commit of {row.run_id} was not recorded; leave --at-its-commit out")
    _git("cat-file", "-e", f"{row.git_commit}^{{commit}}")


def _git(*arguments: str) -> None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except OSError as error:
        raise BadInput(f"--at-its-commit needs git, which cannot be started: {error.strerror}") from error
    if done.returncode:
        raise BadInput(
            f"git {' '.join(arguments)} failed: {' '.join(done.stderr.split())}; --at-its-commit needs a clone with "
            "the whole history, like one after git fetch --unshallow"
        )


def _words(row: Row) -> list[str]:
    """The overrides of a row's command, which `python` or `torchrun` starts."""
    try:
        words = shlex.split(row.command)
    except ValueError:  # a quote that is not closed
        words = []
    if "run.py" not in words:
        raise BadInput(f"the command of {row.run_id} is {row.command!r}, not one of run.py")
    return words[words.index("run.py") + 1 :]


@dataclass(frozen=True)
class Repetition:
    """A run, and the same run made again."""

    recorded: Row
    made: Row

    @property
    def values(self) -> dict[str, tuple[object, object]]:
        """Each value of the row that is compared: name → (in the ledger, made again; None where there is none)."""
        first, second = (_values(row) for row in (self.recorded, self.made))
        return {name: (value, second.get(name)) for name, value in first.items()}

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
            unlike=" ".join(name for name in _DECIDE if getattr(self.recorded, name) != getattr(self.made, name)),
            git_commit=self.made.git_commit,
            git_dirty=self.made.git_dirty,
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
