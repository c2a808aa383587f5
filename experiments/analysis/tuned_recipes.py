"""The files of a recipe with the values that a tuning chose, one for each model and activation."""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath

from omegaconf import OmegaConf

from experiments.analysis.runs import Run
from experiments.analysis.tuning import OWN, Tuning
from experiments.configuration.identity import word_of
from experiments.errors import BadInput


def tuned_recipes(tuning: Tuning, recipe: str, ledger: str) -> Mapping[PurePosixPath, str]:
    """The content of `TASK/RECIPE/tuned/MODEL_ACT.yaml` by that path, below configs/recipe.

    ACT is the option of `act` that gives the options of the runs. Those that no file in configs/act gives get no file:
    a recipe cannot tell them apart. Such a recipe names the files as
    `optional /recipe/TASK/RECIPE/tuned@_global_: ${model}_${act}`.

    Args:
        tuning: what was chosen.
        recipe: the recipe that gets the values, which need not be the one that was tuned.
        ledger: the ledger of the tuning, for a comment.

    Raises:
        BadInput: two settings of one task and model chose different values, or a chosen value is not known.
    """
    found: dict[PurePosixPath, tuple[str, str]] = {}
    for (setting, act), value in tuning.chosen.items():
        run = tuning.trials[setting][act][value][0]
        words = dict(word.split("=", 1) for word in shlex.split(run.command) if "=" in word)
        act = _act_of(tuning, run)
        if act is None:
            continue
        if value == OWN:
            raise BadInput(f"the chosen {tuning.key} of {run.run_id} is not known: its configuration is not published")
        path = PurePosixPath(setting.task, recipe, "tuned", f"{words['model']}_{act}.yaml")
        other, where = found.setdefault(path, (value, setting.data_label))
        if other != value:
            raise BadInput(
                f"{path} would hold two values of {tuning.key}: {other} of {where} and {value} of "
                f"{setting.data_label}; tune on one of them"
            )
    return {path: _content(tuning.key, value, data, ledger) for path, (value, data) in sorted(found.items())}


def _act_of(tuning: Tuning, run: Run) -> str | None:
    """The option of `act` that gives the activation of a run its options, its name where they are not published."""
    config = tuning.evidence.config_of(run)
    return run.act_name if config is None else word_of(run.act_name, config["act"]["options"])


def _content(key: str, value: str, data: str, ledger: str) -> str:
    values = OmegaConf.create()
    OmegaConf.update(values, key, OmegaConf.create(f"value: {value}").value)
    comment = f"# Chosen on held-out examples of {data}, written by scripts/make_recipes.py from {ledger}"
    return f"# @package _global_\n{comment}\n{OmegaConf.to_yaml(values)}"
