"""Tuning one key for each activation: the values tried, the best one on the validation set, and its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from omegaconf import OmegaConf

from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import plural
from experiments.analysis.runs import Run, Setting, canonical
from experiments.analysis.told_apart import pooled_over_processors
from experiments.configuration.composition import literal
from experiments.configuration.identity import as_recorded
from experiments.errors import BadInput, unknown

OWN = "recipe's own"
"""The label of a value that is neither overridden nor in a published configuration."""

Trials = Mapping[str, Sequence[Run]]
"""The runs of one activation by value of the key, in the order of the values."""


@dataclass(frozen=True)
class Tuning:
    """The outcome of tuning `key`."""

    key: str
    rule: str
    """Description of how the values were chosen."""
    evidence: Evidence
    """The runs with the chosen values; their setting omits the key."""
    trials: Mapping[Setting, Mapping[str, Trials]]
    """All runs, by setting (without the key), activation and value."""
    chosen: Mapping[tuple[Setting, str], str]
    """The chosen value by setting and activation."""
    notes: Mapping[Setting, tuple[str, ...]]
    """Remarks on the choice."""


def tune(evidence: Evidence, key: str) -> Tuning:
    """Chooses, for each setting and activation, the value of `key` with the best mean validation metric.

    Settings that differ in `key` alone are one family. A value is judged by the mean of
    `validation/<headline>` over its seeds; a value with more finished runs comes
    before one with fewer. Families with a single value are not part of the result.

    Raises:
        BadInput: no run overrides the key, the activations of a setting had unequal budgets (number
            of values × seeds), or a run has no validation metric.
    """
    families = _families(evidence, key)
    for setting, acts in families.items():
        _check_budget(setting, acts, key)
    chosen = {
        (setting, act): _best(trials, setting) for setting, acts in families.items() for act, trials in acts.items()
    }
    runs = [
        replace(run, setting=setting)
        for setting, acts in families.items()
        for act, trials in acts.items()
        for run in trials[chosen[setting, act]]
    ]
    notes = {
        setting: tuple(
            note for act, trials in acts.items() if (note := _edge(act, key, list(trials), chosen[setting, act]))
        )
        for setting, acts in families.items()
    }
    return Tuning(
        key=key,
        rule="the value with the best mean on the validation set, out of equally many values × seeds each",
        evidence=replace(evidence, runs=tuple(runs)),
        trials=families,
        chosen=chosen,
        notes=notes,
    )


def _families(evidence: Evidence, key: str) -> dict[Setting, dict[str, dict[str, list[Run]]]]:
    """Setting without the key → activation → value → runs, of families with several values."""
    families: dict[Setting, dict[str, dict[str, list[Run]]]] = {}
    without = {setting: _without(setting, key) for setting in evidence.settings()}
    pooled = pooled_over_processors((without[run.setting], run.device) for run in evidence.runs)
    for setting in evidence.settings():
        acts = families.setdefault(pooled[without[setting]], {})
        for act, runs in evidence.of(setting).items():
            acts.setdefault(act, {}).setdefault(_value(evidence, setting, runs, key), []).extend(runs)
    tuned = {
        setting: {act: dict(sorted(trials.items(), key=lambda item: _place(item[0]))) for act, trials in acts.items()}
        for setting, acts in families.items()
        if len({value for trials in acts.values() for value in trials}) > 1
    }
    if not tuned:
        keys = sorted({name for setting in evidence.settings() for name in setting.changes})
        named = f"keys that runs override: {', '.join(keys) or 'none'}"
        raise unknown(f"key to tune (no runs of {evidence.file} differ in it)", key, keys, named)
    return tuned


def _without(setting: Setting, key: str) -> Setting:
    others = {name: value for name, value in setting.changes.items() if name != key}
    return replace(setting, overrides=canonical(others))


def _value(evidence: Evidence, setting: Setting, runs: Sequence[Run], key: str) -> str:
    """The value of `key` in a setting: the override, else that in the configuration of a run, else `OWN`."""
    if key in setting.changes:
        return literal(setting.changes[key])
    for run in runs:
        config = evidence.config_of(run)
        if config is not None:
            value = OmegaConf.select(OmegaConf.create(config), key)
            return OWN if value is None else literal(as_recorded({key: value})[key])
    return OWN


def _place(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def _check_budget(setting: Setting, acts: Mapping[str, Trials], key: str) -> None:
    budgets = {
        act: (len(trials), tuple(sorted({len({run.seed for run in runs}) for runs in trials.values()})))
        for act, trials in acts.items()
    }
    if len(set(budgets.values())) > 1 or any(len(seeds) > 1 for _, seeds in budgets.values()):
        counts = "; ".join(f"{act}: {_tried(trials)}" for act, trials in acts.items())
        raise BadInput(
            f"unequal budgets for {key} ({setting.task}, {setting.data_label}, {setting.recipe_label}): {counts}; "
            "every activation needs equally many values, each with equally many seeds: run the missing ones"
        )


def _tried(trials: Trials) -> str:
    return ", ".join(f"{value} × {plural(len(runs), 'seed')}" for value, runs in trials.items())


def _best(trials: Trials, setting: Setting) -> str:
    def merit(value: str) -> tuple[int, float]:
        validated = [_validated(run, setting) for run in trials[value] if run.status == "finished"]
        sign = 1 if describe_metric(setting.task, trials[value][0].metric).higher_is_better else -1
        return len(validated), sign * sum(validated)  # of equally many values, the largest sum has the largest mean

    return max(trials, key=merit)


def _validated(run: Run, setting: Setting) -> float:
    value = run.of_metric(f"validation/{run.metric}")
    if value is None:
        raise BadInput(
            f"{run.run_id} ({setting.task}, recipe {run.setting.recipe_label}) has no validation/{run.metric}, and a "
            "value is never chosen on test; run it with a held-out part (data.held_out=… or a validation set)"
        )
    return value


def _edge(act: str, key: str, values: list[str], chosen: str) -> str:
    if OWN in values or len(values) < 2 or chosen not in (values[0], values[-1]):
        return ""
    end = "smallest" if chosen == values[0] else "largest"
    return f"{act}: {key} = {chosen} is the {end} value tried; a value beyond it might be better."
