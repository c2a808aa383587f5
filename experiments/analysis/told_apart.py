"""What is pooled under one name and what is not: runs of other commits, of other functions, of other processors."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from experiments.analysis.runs import Run, Setting, canonical
from experiments.configuration.composition import flatten
from experiments.configuration.identity import KEYS_NOT_HASHED, OWN_COLUMNS, as_recorded, under
from experiments.record.labels import ACTIVATION, activation_label
from experiments.record.row import to_text

Values = dict[str, object]
"""Dotted key → value."""


def pooled_over_processors(found: Iterable[tuple[Setting, str]]) -> dict[Setting, Setting]:
    """One setting for those on CPUs that differ in the processor alone, which names all: pairs are of one processor.

    Args:
        found: the setting and the device of each run.
    """
    runs = list(found)
    names: dict[Setting, set[str]] = {}
    for setting, device in runs:
        names.setdefault(_without_processor(setting), set()).add(device)
    return {
        setting: replace(setting, device=" and ".join(sorted(names[_without_processor(setting)])))
        for setting, _ in runs
    }


def _without_processor(setting: Setting) -> Setting:
    return setting if setting.threads is None else replace(setting, device="")


def by_commit(runs: list[Run], config_of: Callable[[Run], Values | None]) -> list[Run]:
    """`runs`, with what commits gave them unlike each other, without being asked for it, among their overrides.

    The default of an option, a recipe or a tuned learning rate may change from one commit to another. The published
    configurations tell the runs apart:

    - An option of an activation whose default is not the same in all its runs is named in the label of each.
    - Of an activation in a setting, the runs that do not have what its newest run got from recipe, model or data are
      of another setting, with their own values. Of one activation alone: another may have a tuned value of its own.

    Args:
        runs: those of a ledger.
        config_of: the published configuration of a run as nested dicts, or None.
    """
    commits: dict[str, set[str]] = {}
    for run in runs:
        commits.setdefault(run.act_name, set()).add(run.git_commit)
    given = [_given(run, config_of(run) or {}) if len(commits[run.act_name]) > 1 else {} for run in runs]
    return _by_older_values(_by_default(runs, given), given)


def _given(run: Run, config: Values) -> Values:
    """What a run got that it did not override and that its row does not hold; empty where no file tells it."""
    known = ("act.name", *KEYS_NOT_HASHED, *OWN_COLUMNS, *run.overrides)
    leaves = {key: value for key, value in as_recorded(flatten(config)).items() if not under(key, known)}
    if run.setting.data_fingerprint:  # names of files and folders do not matter, as their content is known
        leaves = {key: value for key, value in leaves.items() if not (under(key, ("data",)) and isinstance(value, str))}
    return leaves


def _by_default(runs: list[Run], given: list[Values]) -> list[Run]:
    values: dict[tuple[str, str], set[str]] = {}
    for run, of_run in zip(runs, given, strict=True):
        for key, value in of_run.items():
            values.setdefault((run.act_name, key), set()).add(to_text(value))
    labelled = []
    for run, of_run in zip(runs, given, strict=True):
        options = {key: value for key, value in of_run.items() if under(key, (ACTIVATION,))}
        unlike = {key: value for key, value in options.items() if len(values[run.act_name, key]) > 1}
        overrides = run.overrides | unlike
        labelled.append(replace(run, overrides=overrides, act=activation_label(run.act_name, overrides)))
    return labelled


def _by_older_values(runs: list[Run], given: list[Values]) -> list[Run]:
    newest: dict[tuple[Setting, str], tuple[datetime, Values]] = {}
    for run, of_run in zip(runs, given, strict=True):
        found = (datetime.fromisoformat(run.finished_at), of_run)
        group = run.setting, run.act
        newest[group] = max(newest.get(group, found), found, key=lambda each: each[0])
    told = []
    for run, of_run in zip(runs, given, strict=True):
        _, of_newest = newest[run.setting, run.act]
        unlike = {
            key: of_run[key]
            for key in of_run.keys() & of_newest.keys()
            if not under(key, ("act",)) and to_text(of_run[key]) != to_text(of_newest[key])
        }
        setting = replace(run.setting, overrides=canonical(run.setting.changes | unlike)) if unlike else run.setting
        told.append(replace(run, setting=setting, overrides=run.overrides | unlike))
    return told


def by_function(runs: list[Run]) -> tuple[list[Run], list[str]]:
    """`runs`, labelled like `mine#a1b2c3` where a name has several functions, and a sentence for each such name."""
    functions: dict[str, set[str]] = {}
    for run in runs:
        functions.setdefault(run.act_name, set()).add(run.activation_hash)
    several = {name: sorted(hashes) for name, hashes in functions.items() if len(hashes) > 1}
    labelled = [
        replace(run, act=_function_label(run.act_name, run.activation_hash) + run.act.removeprefix(run.act_name))
        if run.act_name in several
        else run
        for run in runs
    ]
    return labelled, [
        f"{name} is the name of {len(hashes)} functions here (columns act and activation_hash), and they are never "
        f"pooled: {', '.join(_function_label(name, each) for each in hashes)}."
        for name, hashes in sorted(several.items())
    ]


def _function_label(name: str, activation_hash: str) -> str:
    return f"{name}#{activation_hash[:6] or 'unknown'}"
