"""Making a run of a ledger again by the command in its row, and comparing what it reached."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.analysis.runs import Conditions
from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import Config, check_choices, validate
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


def check_repeatable(row: Row, elsewhere: Sequence[str] = ()) -> Config:
    """The configuration that a row's command asks for, which must still be that of the row, on the same data.

    Args:
        row: the run.
        elsewhere: where its data are: `data_root=FOLDER` and the like.

    Raises:
        BadInput: the command asks for something else by now, or the data are missing or others.
    """
    for word in elsewhere:
        if word.partition("=")[0] not in _ELSEWHERE or "=" not in word:
            raise BadInput(f"{word!r} is not accepted; accepted: {', '.join(f'{key}=…' for key in _ELSEWHERE)}")
    way_out = f"check out its commit, {row.git_commit[:10] or 'which was not recorded'}, and ask there"
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
    return config


def unlike_here(row: Row, config: Config) -> dict[str, tuple[str, str]]:
    """What the last bits of a result depend on and is not as in the row: name → (in the row, here)."""
    device = torch.device(config.trainer.device)
    here = Conditions(
        torch=torch.__version__,
        kernel=kernel_in_use(device),
        code_hash=code_hash(config.task.package),
        processor=processor_features(device),
        device=device_name(device),
    )
    names = [field.name for field in fields(Conditions)]
    return {name: pair for name in names if (pair := (getattr(row, name), getattr(here, name)))[0] != pair[1]}


def command_for(row: Row, output_root: Path, elsewhere: Sequence[str] = ()) -> list[str]:
    """The row's command, for this checkout and Python, with its results under `output_root`."""
    launch = {"python": sys.executable, "run.py": str(ROOT / "run.py")}
    words = [launch.get(word, word) for word in shlex.split(row.command)]
    return [*words, f"output_root={output_root}", *elsewhere]


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
