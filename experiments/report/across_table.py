"""The table across tasks: mean ranks and comparable gains, without tests."""

import math
from collections.abc import Sequence

from experiments.analysis.comparison import compare, metrics_shown, values_by_seed
from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import ABSENT, fixed
from experiments.analysis.provenance import describe_runs, describe_setting, run_commands
from experiments.analysis.runs import SETTING_LABELS, Setting
from experiments.analysis.statistics import mean_ranks, normalised_gain
from experiments.report.names import activation_name, data_name, task_name
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table

_PRINTED = (RESULT, CSV)

Contents = list[tuple[Setting, str]]
"""The settings to rank, each with one metric."""


def across_table(evidence: Evidence, baseline: str, metric: str | None = None) -> Table | None:
    """The table over all settings, without its own command; None for fewer than two settings.

    Args:
        evidence: runs of which each task has one recipe.
        baseline: the activation that gains refer to.
        metric: the metric to compare; None: the headline.
    """
    contents = _contents(evidence, metric)
    acts, left_out = _common_activations(evidence, contents, baseline)
    if len(contents) < 2 or len(acts) < 2 or baseline not in acts:
        return None
    scores = _scores(evidence, contents, acts)
    blocks = len(scores[baseline])
    ranks = mean_ranks(scores)
    settings = [setting for setting, _ in contents]
    names, shown = short_names(settings), proper_names(settings)
    gains = [_gains(evidence, setting, name, baseline) for setting, name in contents]
    runs = [run for run in evidence.runs if run.act in acts and run.setting in names]
    columns = (
        Column("activation", "activation", _PRINTED, numeric=False),
        Column("mean_rank", "mean rank", _PRINTED),
        Column("mean_gain_percent", "mean gain, %", _PRINTED),
        *(
            Column(f"gain_percent_{name.replace(' ', '_')}", shown[setting], _PRINTED)
            for setting, name in names.items()
        ),
        Column("blocks", "blocks"),
    )
    return Table(
        name="across_tasks",
        title="Across tasks: mean ranks and gains",
        caption=f"Mean rank: 1 is best. Gain: share of the error of {activation_name(baseline)} that is removed, in %.",
        columns=columns,
        blocks=(
            Block(
                title="Mean ranks and gains over " + ", ".join(shown.values()),
                caption=f"{'; '.join(describe_setting(setting) for setting in names)}. {describe_runs(runs)}.",
                rows=tuple(_row(act, ranks, blocks, gains, baseline) for act in ranks or acts),
                notes=tuple(left_out),
            ),
        ),
        notes=(
            f"Mean rank: the activations are ranked once for each setting and seed that all of them have ({blocks} "
            "times), and the ranks are averaged; ties share a rank, a diverged run is last. A setting with more seeds "
            "counts more.",
            "Error: the distance to the best possible value, like the wrong answers for an accuracy; for PSNR, which "
            "has no best value, the mean squared error. Mean gain: each setting counts the same.",
            "There is no verdict across tasks: runs of one task do not tell what another task would show, and there "
            "are too few tasks. Each task has its verdicts in its own table.",
        ),
        commands=run_commands(runs),
    )


def short_names(settings: Sequence[Setting]) -> dict[Setting, str]:
    """The shortest unique name of each setting: the task, with its data, with all."""
    return {
        setting: " ".join(filter(None, (getattr(setting, field) for field in fields)))
        for setting, fields in _distinguishing_fields(settings).items()
    }


def proper_names(settings: Sequence[Setting]) -> dict[Setting, str]:
    """`short_names` for a reader: with the proper names of tasks and data."""
    return {
        setting: " ".join(filter(None, (_proper(setting, field) for field in fields)))
        for setting, fields in _distinguishing_fields(settings).items()
    }


def _distinguishing_fields(settings: Sequence[Setting]) -> dict[Setting, tuple[str, ...]]:
    levels = (("task",), ("task", "data_label"), ("task", "model_label", "data_label"), SETTING_LABELS)
    found = {}
    for setting in settings:
        for fields in levels:
            parts = [getattr(setting, field) for field in fields]
            if sum([getattr(other, field) for field in fields] == parts for other in settings) == 1:
                break
        found[setting] = fields
    return found


def _proper(setting: Setting, field: str) -> str:
    if field == "task":
        return task_name(setting.task)
    return data_name(setting) if field == "data_label" else getattr(setting, field)


def _contents(evidence: Evidence, metric: str | None) -> Contents:
    """Each setting with its headline, or with `metric` if it has it."""
    shown = [(setting, metrics_shown(evidence, setting, metric)) for setting in evidence.settings()]
    return [(setting, names[0]) for setting, names in shown if names]


def _common_activations(evidence: Evidence, contents: Contents, baseline: str) -> tuple[list[str], list[str]]:
    """The activations that every setting has, and a sentence for each of the others."""
    there = {setting: list(evidence.of(setting, baseline)) for setting, _ in contents}
    every = list(dict.fromkeys(act for acts in there.values() for act in acts))
    names = proper_names(list(there))
    common, left_out = [], []
    for act in every:
        missing = [names[setting] for setting, acts in there.items() if act not in acts]
        if missing:
            left_out.append(f"{activation_name(act)} is left out: it has no run on {', '.join(missing)}.")
        else:
            common.append(act)
    return common, left_out


def _scores(evidence: Evidence, contents: Contents, acts: Sequence[str]) -> dict[str, list[float]]:
    """A score for each activation and block (setting × seed that all of them have); higher is always better.

    A diverged run scores below every other of its block. A block with a failed run, or one without a
    value for another reason, is left out, as the activation is not the cause; so is one whose runs differ in
    their conditions.
    """
    scores: dict[str, list[float]] = {act: [] for act in acts}
    for setting, metric in contents:
        sign = 1 if describe_metric(setting.task, metric).higher_is_better else -1
        runs_of = evidence.of(setting)
        values = {act: values_by_seed(runs_of[act], metric) for act in acts}
        diverged = {act: {run.seed for run in runs_of[act] if run.status == "diverged"} for act in acts}
        conditions = [{run.seed: run.conditions for run in runs_of[act]} for act in acts]
        for seed in sorted(set.intersection(*(values[act].keys() | diverged[act] for act in acts))):
            if len({of_act[seed] for of_act in conditions}) > 1:
                continue
            reached = [sign * values[act][seed] for act in acts if seed in values[act]]
            last = min(reached, default=0.0) - 1
            for act in acts:
                scores[act].append(sign * values[act][seed] if seed in values[act] else last)
    return scores


def _gains(evidence: Evidence, setting: Setting, metric: str, baseline: str) -> dict[str, float]:
    """The normalised gain of each activation over the seeds that it shares with the baseline, in percent."""
    best = describe_metric(setting.task, metric).best_possible
    entries = compare(evidence, setting, metric, baseline)
    gains = {}
    for entry in entries:
        if entry.differences:
            mean = sum(entry.values[seed] for seed in entry.differences) / len(entry.differences)
            gains[entry.act] = 100 * normalised_gain(mean, entry.level, best)
    return gains


def _row(
    act: str, ranks: dict[str, float], blocks: int, gains: list[dict[str, float]], baseline: str
) -> tuple[Cell, ...]:
    own = [gain.get(act) for gain in gains]
    complete = act != baseline and all(gain is not None and math.isfinite(gain) for gain in own)
    mean_gain = sum(own) / len(own) if complete else None
    absent = "baseline" if act == baseline else ABSENT
    return (
        Cell(activation_name(act), act),
        Cell(fixed(ranks.get(act), 2), ranks.get(act)),
        Cell(absent if mean_gain is None else fixed(mean_gain, 2, signed=True), mean_gain),
        *(Cell(ABSENT if gain is None else fixed(gain, 2, signed=True), gain) for gain in own),
        Cell(str(blocks), blocks),
    )
