"""The options of hydra/sweeper=verdict, and the comparisons that its command line asks for."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from hydra.core.override_parser.types import IntervalSweep, Override
from pydantic import Field, ValidationError

from experiments.configuration.composition import SWEEPER
from experiments.configuration.options import Count, Name, NonNegativeInteger, Options, Positive, first_mistake
from experiments.errors import BadInput

BASIC, VERDICT = "basic", "verdict"
"""The sweepers that this project knows; of the others, no job is known in advance."""

_LAUNCHERS = ("basic", "pool")
"""Those whose jobs have ended, with their rows in the ledger of this machine, when a batch returns."""

_PREFIX = "hydra.sweeper"


class VerdictOptions(Options):
    """`hydra.sweeper.*` of hydra/sweeper=verdict."""

    baseline: Name | None
    min_seeds: Annotated[int, Field(ge=2)] | None
    max_seeds: Count
    max_hours: Positive | None
    margin: Positive | None
    first_seed: NonNegativeInteger


@dataclass(frozen=True)
class Comparison:
    """Activations that are compared where everything else is equal.

    Args:
        setting: the overrides that they share.
        activations: the overrides of each activation, the baseline first.
    """

    setting: list[str]
    activations: list[list[str]]

    def job(self, activation: int, seed: int) -> list[str]:
        """The overrides of one run."""
        return [*self.setting, *self.activations[activation], f"seed={seed}"]


def check_sweeper(sweeper: str, overrides: Sequence[Override]) -> None:
    """Raises `BadInput` for values that a sweeper cannot sweep.

    Args:
        sweeper: the option of hydra/sweeper.
        overrides: those of the runs that the command line gives.
    """
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if sweeper in (BASIC, VERDICT) and isinstance(value, IntervalSweep):
            raise BadInput(
                f"{override.input_line} is a range without steps, which {SWEEPER}={sweeper} cannot sweep; give values, "
                f"like {key}={value.start},{value.end}, or choose a sweeper that samples, like {SWEEPER}=optuna"
            )
        if sweeper == VERDICT and key == "seed":
            raise BadInput(
                f"{override.input_line} is not accepted with {SWEEPER}={VERDICT}, which chooses the seeds; leave it "
                f"out, or say where they begin and how many there may be: {_PREFIX}.first_seed=0 "
                f"{_PREFIX}.max_seeds=20"
            )


def read_verdict_options(values: Mapping[str, Any]) -> VerdictOptions:
    """The options in Hydra's configuration of the sweeper.

    Raises:
        BadInput: a value is out of range or does not fit another.
    """
    given = {key: value for key, value in values.items() if key not in ("_target_", "params")}
    try:
        options = VerdictOptions.model_validate(given)
    except ValidationError as error:
        raise first_mistake(error, VerdictOptions, given, _PREFIX) from None
    if options.min_seeds and options.min_seeds > options.max_seeds:
        raise BadInput(
            f"{_PREFIX}.min_seeds={options.min_seeds} is above {_PREFIX}.max_seeds={options.max_seeds}; "
            "accepted: at most as many"
        )
    return options


def read_comparisons(lines: Sequence[Sequence[str]], options: VerdictOptions, launcher: str) -> list[Comparison]:
    """The comparisons of a sweep, one for each combination of the values of the keys other than `act` and `act.*`.

    Args:
        lines: the overrides of each key, one for each of its values.
        options: names the baseline.
        launcher: the option of hydra/launcher.

    Raises:
        BadInput: there are not two activations, the baseline is not among them, or another option does not fit.
    """
    if launcher not in _LAUNCHERS:
        raise BadInput(
            f"hydra/launcher={launcher} is not accepted with {SWEEPER}={VERDICT}, which waits for each pair of runs; "
            f"accepted: {' or '.join(_LAUNCHERS)}; on a cluster, give the command in a job of its own, with "
            "hydra/launcher=pool"
        )
    own = [each for each in lines if _key(each[0]) == "act" or _key(each[0]).startswith("act.")]
    shared = [each for each in lines if each not in own]
    activations = [list(each) for each in dict.fromkeys(itertools.product(*own))]
    if len(activations) < 2:
        given = " ".join(activations[0]) or "no act="
        raise BadInput(
            f"{SWEEPER}={VERDICT} compares activations, and {given} is one; give several, like act=relu,carelu, or "
            "several options of one, like act=carelu act.options.gain=1.5,2"
        )
    tasks = [line for each in shared if _key(each[0]) == "task" for line in each]
    if options.margin is not None and len(tasks) > 1:
        raise BadInput(
            f"{_PREFIX}.margin={options.margin:g} is one margin for {', '.join(tasks)}, whose metrics differ in unit; "
            "leave it out for each task's own, or sweep the tasks one by one"
        )
    _put_first(activations, options.baseline)
    return [Comparison(list(setting), activations) for setting in itertools.product(*shared)]


def _put_first(activations: list[list[str]], baseline: str | None) -> None:
    """Moves the baseline to the first place."""
    wanted = f"act={baseline or 'relu'}"
    found = next((each for each in activations if wanted in each), None)
    if found is None and baseline is not None:
        words = dict.fromkeys(line.removeprefix("act=") for each in activations for line in each if _key(line) == "act")
        raise BadInput(
            f"{_PREFIX}.baseline={baseline} is not among the activations; accepted: one of act={','.join(words)}"
        )
    if found is not None:
        activations.remove(found)
        activations.insert(0, found)


def _key(line: str) -> str:
    return line.partition("=")[0].lstrip("+")
