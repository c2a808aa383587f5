"""Which runs of a ledger are compared: those that a person asks for, and of a recipe the largest comparable group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from experiments.analysis.evidence import Evidence
from experiments.analysis.numbers import plural
from experiments.analysis.runs import Run
from experiments.configuration.composition import as_dict, compose, flatten, literal, options_of
from experiments.errors import BadInput, unknown
from experiments.record.labels import recipe_label

EACH = "each"
"""A recipe's name that stands for every recipe, one after the other."""


@dataclass(frozen=True)
class _Group:
    """The runs that can be compared with each other as far as the recipe goes."""

    task: str
    recipe: str
    label: str


def select(
    evidence: Evidence, recipe: str | None = None, wanted: Sequence[str] = (), tuned: str | None = None
) -> Evidence:
    """The runs to compare.

    `left_out` of the result has a sentence for each group of runs that nobody asked to leave out.

    Args:
        evidence: a ledger's runs.
        recipe: the label of a recipe, like `small(trainer.epochs=2)`; a recipe's name, like `small`; `each`; or None.
        wanted: `KEY=VALUE` each: only runs in which the setting has the value. `KEY=null` means the recipe's own.
        tuned: a key that is being tuned; groups that differ in it alone are one.

    Raises:
        BadInput: `wanted` is not as described, or no run is left.
    """
    for words in wanted:
        evidence = _with_value(evidence, words)
    if wanted:
        evidence = replace(evidence, selected=tuple(wanted))
    group_of = {run.run_id: _group(run, tuned) for run in evidence.runs}
    labels = {group.label for group in group_of.values()}
    if recipe == EACH or recipe in labels:
        return evidence
    if recipe is not None:
        own = tuple(run for run in evidence.runs if run.setting.recipe == recipe)
        if not own:  # the error of an unknown recipe is that of the tables
            return evidence
        evidence = replace(evidence, runs=own, recipe=recipe)
    return _without_strays(evidence, group_of)


def with_baseline(evidence: Evidence, baseline: str) -> Evidence:
    """Without the recipes that have no run of the baseline, so that a single trial does not stop the others.

    `problems` of the result has a sentence for each of them. Unchanged where no recipe has one.
    """
    recipes = {run.setting.recipe_label for run in evidence.runs if run.act == baseline}
    left_out = {run.setting.recipe_label for run in evidence.runs} - recipes
    if not recipes or not left_out:
        return evidence
    runs = tuple(run for run in evidence.runs if run.setting.recipe_label in recipes)
    notes = (f"recipe {recipe} is left out: it has no run of the baseline {baseline}" for recipe in sorted(left_out))
    return replace(evidence, runs=runs, problems=(*evidence.problems, *notes))


def _group(run: Run, tuned: str | None) -> _Group:
    changes = {key: value for key, value in run.setting.changes.items() if key != tuned}
    return _Group(run.setting.task, run.setting.recipe, recipe_label(run.setting.recipe, changes))


def _without_strays(evidence: Evidence, group_of: Mapping[str, _Group]) -> Evidence:
    """The largest group of each task and recipe, if one is the largest; a sentence for each of the others."""
    counts = Counter(group_of[run.run_id] for run in evidence.runs)
    left_out: dict[_Group, _Group] = {}
    for task, recipe in sorted({(group.task, group.recipe) for group in counts}):
        same = [group for group in counts if (group.task, group.recipe) == (task, recipe)]
        groups = sorted(same, key=lambda group: (-counts[group], group.label))
        if len(groups) > 1 and counts[groups[0]] > counts[groups[1]]:
            left_out |= dict.fromkeys(groups[1:], groups[0])
    notes = tuple(
        (
            group.task,
            f"{group.task}: {plural(counts[group], 'run')} with the recipe {group.label} left out, as most runs "
            f"({counts[used]}) have {used.label}; --recipe '{group.label}' takes these instead.",
        )
        for group, used in left_out.items()
    )
    kept = tuple(run for run in evidence.runs if group_of[run.run_id] not in left_out)
    return replace(evidence, runs=kept, left_out=notes)


def _with_value(evidence: Evidence, words: str) -> Evidence:
    """The runs in which one setting has one value."""
    key, equals, text = words.partition("=")
    key = key.strip()
    if not equals or not key:
        raise BadInput(
            f"--select {words!r} is not accepted; accepted: KEY=VALUE with a dotted key, like trainer.epochs=4, "
            "or KEY=null for the recipe's own value"
        )
    overridden = {each for run in evidence.runs for each in run.overrides}
    if key not in overridden and key not in _settable(evidence):
        raise unknown("key of --select", key, overridden, _accepted(overridden))
    value = _value(text)
    kept = tuple(run for run in evidence.runs if _equal(run.overrides.get(key), value))
    if not kept:
        counts = Counter(literal(run.overrides.get(key)) for run in evidence.runs)
        there = ", ".join(f"{each} ({plural(count, 'run')})" for each, count in sorted(counts.items()))
        raise BadInput(f"--select {words}: no run has that value; accepted: {there}; null is the recipe's own value")
    return replace(evidence, runs=kept)


def _accepted(overridden: set[str]) -> str:
    if not overridden:
        return "accepted: a key of the configuration, as --cfg job shows it; no run departs from its recipe"
    return f"accepted: {', '.join(sorted(overridden))}, or any other key of the configuration with null"


def _settable(evidence: Evidence) -> set[str]:
    """The keys of the configurations of the evidence's tasks; of a task that this checkout does not know, none."""
    keys: set[str] = set()
    for task in {run.setting.task for run in evidence.runs} & options_of("task").keys():
        keys |= flatten(as_dict(compose([f"task={task}"])[0])).keys()
    return keys


def _value(text: str) -> object:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    try:  # YAML takes 1e-3 for text
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _equal(recorded: object, value: object) -> bool:
    return recorded == value and isinstance(recorded, bool) == isinstance(value, bool)
