"""Measuring a trained run: on its own data, where the result must be that of its record, and on other data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.composition import as_dict, compose, literal, options_of
from experiments.configuration.schema import Config, validate
from experiments.errors import BadInput, one_line, unknown
from experiments.inference.trained_run import TrainedRun
from experiments.record.run_directory import METRICS, read_metrics

_ACCEPTED = "data=NAME, data.KEY=VALUE, data_root=FOLDER, trainer.evaluation_batch_size=N"

_NOT_OF_TEST = {"test_sets", "test_root", "root", "download", "cache"}
"""Keys of `data` that say nothing of the content of the set "test"."""


@dataclass(frozen=True)
class Evaluation:
    """What a trained model reached.

    Args:
        metrics: as in a run's record: those of "test" under their plain names, others as `<set>/<metric>`.
        recorded: the values of the run's own last evaluation, where they are of the same data.
        data: the name of the data.
    """

    metrics: dict[str, float]
    recorded: dict[str, float]
    data: str


def evaluate(run: TrainedRun, overrides: Sequence[str] = ()) -> Evaluation:
    """Measures a trained run.

    Args:
        run: what is measured.
        overrides: settings of the data, like `data=bsds300` or `data.test_sets=[set14]`; none: the run's own data.

    Raises:
        BadInput: an override is not accepted, or the data is missing or does not fit the model.
    """
    config = config_for(run, overrides)
    metrics: dict[str, float] = {}
    batches_by_set = run.task.build_evaluation(config, run.device)
    with run.evaluating():
        for name, batches in batches_by_set.items():
            prefix = "" if name == "test" else f"{name}/"
            values = run.task.evaluate(run.model, batches)
            metrics.update({prefix + metric: value for metric, value in values.items()})
    return Evaluation(metrics, _recorded(run, config, metrics), config.data.name)


def config_for(run: TrainedRun, overrides: Sequence[str]) -> Config:
    """The configuration of a run with other data.

    `data=NAME` takes that file of configuration; without it the other overrides change the data of the run.

    Raises:
        BadInput: an override does not exist, is out of range, or is not about the data.
    """
    given = _parsed(overrides)
    values = as_dict(run.config)
    root = str(given.get("data_root", values["data_root"]))
    if "data" in given:
        values["data"] = _data_of(run, str(given["data"]), root)
    else:
        values["data"] = _moved(values["data"], values["data_root"], root)
    values["data_root"] = root
    for key, value in given.items():
        group, _, name = key.partition(".")
        if name:
            values[group] = {**values[group], name: value}
    return validate(values)


def _parsed(overrides: Sequence[str]) -> dict[str, Any]:
    """The values of overrides by their keys."""
    for word in overrides:
        if "=" not in word:
            raise BadInput(f"{word!r} is not a setting; accepted: {_ACCEPTED}")
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise BadInput(f"the settings cannot be read: {one_line(error)}") from error
    for override in parsed:
        _refuse_other_than_data(override)
    return {override.key_or_group: override.value() for override in parsed}


def _refuse_other_than_data(override: Override) -> None:
    key = override.key_or_group
    about_data = key in ("data", "data_root", "trainer.evaluation_batch_size") or key.startswith("data.")
    if not about_data or override.is_delete() or override.is_add() or override.is_sweep_override():
        raise BadInput(
            f"{override.input_line} is not accepted: a trained model keeps its other settings; accepted: {_ACCEPTED}"
        )


def _data_of(run: TrainedRun, name: str, root: str) -> dict[str, Any]:
    """What `data=NAME` means for the task of a run."""
    task, known = run.identity.task, options_of("data", run.identity.task)
    if name not in known:
        raise unknown(f"data for task={task}:", name, known)
    try:
        words = [f"task={task}", f"recipe={run.identity.recipe}", f"data={name}", f"data_root={literal(root)}"]
        return as_dict(compose(words)[0])["data"]
    except (HydraException, OmegaConfBaseException) as error:
        raise BadInput(f"data={name} does not compose: {one_line(error)}") from error


def _moved(data: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    """`data` with the folders that lay under `before` under `after`."""

    def place(value: Any) -> Any:
        inside = isinstance(value, str) and (value == before or value.startswith(f"{before}/"))
        return after + value.removeprefix(before) if inside else value

    return {key: place(value) for key, value in data.items()}


def _recorded(run: TrainedRun, config: Config, metrics: Mapping[str, float]) -> dict[str, float]:
    """The values of the last evaluation in the run's record of the sets that are the same here."""
    own, other = run.config.data, config.data
    same_test = own.model_dump(exclude=_NOT_OF_TEST) == other.model_dump(exclude=_NOT_OF_TEST)
    same = {"", "validation"} if same_test else set()
    same |= set(getattr(own, "test_sets", ())) & set(getattr(other, "test_sets", ()))
    names = [name for name in metrics if name.rpartition("/")[0] in same]
    last = next((each for each in reversed(read_metrics(run.folder / METRICS)) if set(names) & each.keys()), {})
    return {name: last[name] for name in names if name in last}
