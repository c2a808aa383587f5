"""All tables of a ledger: the selection of runs and the tables made from them. No input or output."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from experiments.analysis.evidence import Evidence
from experiments.analysis.findings import check_subjects
from experiments.analysis.metrics import describe_metric
from experiments.analysis.provenance import table_command
from experiments.analysis.selection import EACH
from experiments.analysis.tuning import Tuning, tune
from experiments.errors import BadInput, unknown
from experiments.report.across_table import across_table
from experiments.report.cost_table import cost_table
from experiments.report.names import task_name
from experiments.report.table import Table
from experiments.report.task_table import task_table
from experiments.report.time_table import time_table
from experiments.report.tuning_table import tuning_table


def build_tables(
    evidence: Evidence,
    baseline: str = "relu",
    recipe: str | None = None,
    metric: str | None = None,
    tuned: str | None = None,
    subject: Sequence[str] = (),
) -> list[Table]:
    """One table a task, one across tasks (where there are two settings to compare over), one of costs, one of times.

    That of times to a verdict is left out where there is no pair of runs, where a metric is named, and of a tuning.

    Args:
        evidence: a ledger's runs.
        baseline: the label of the activation to compare with.
        recipe: the only recipe to use, or `each` for tables of every recipe, named `<table>_<recipe>`;
            None where each task has one recipe.
        metric: the metric to compare; None: the headline of each task.
        tuned: a key of which each activation gets its best value; the tables are named `<table>_tuned`,
            and `<task>_values_tuned` lists what was tried.
        subject: the activations of which a better one is bold; without them all.

    Raises:
        BadInput: runs of several recipes would share one table, the baseline, a subject or the metric is in
            none of the runs, or a tuning was unequal.
    """
    baseline_if_other = None if baseline == "relu" else baseline
    options = {"recipe": recipe, "select": evidence.selected, "metric": metric, "tuned": tuned, "subject": subject}
    command = table_command(evidence.file, baseline=baseline_if_other, **options)
    _check_metric(evidence, metric)
    tuning = tune(evidence, tuned) if tuned else None
    used = tuning.evidence if tuning else evidence
    tables = []
    of_recipes = parts(used, baseline, recipe)
    shown = tuple(run for _, part in of_recipes for run in part.runs)
    check_subjects(replace(used, runs=shown), subject, baseline)
    for label, part in of_recipes:
        suffix = f"_{file_name(label)}" if recipe == EACH else ""
        for table in _tables(part, baseline, metric, tuning, subject):
            left_out = () if table.task else _left_out(used, part, metric)
            finished = replace(
                table,
                name=f"{table.name}{suffix}{'_tuned' if tuning else ''}",
                warnings=(*evidence.warnings(table.task), *left_out),
                commands=(command, *table.commands),
            )
            tables.append(finished)
    return tables


def _tables(
    evidence: Evidence, baseline: str, metric: str | None, tuning: Tuning | None, subjects: Sequence[str]
) -> list[Table]:
    tasks = sorted({run.setting.task for run in evidence.runs})
    tables = [task_table(evidence, task, baseline, metric, tuning, subjects) for task in tasks]
    if tuning:
        tables += [tuning_table(tuning, task, evidence.settings()) for task in tasks]
    tables += [across_table(evidence, baseline, metric), cost_table(evidence, baseline)]
    tables += [time_table(evidence, baseline)] if metric is None and tuning is None else []
    return [table for table in tables if table is not None]


def parts(evidence: Evidence, baseline: str, recipe: str | None) -> list[tuple[str, Evidence]]:
    """(recipe, its runs) of each requested recipe; all runs under one name if none is requested.

    Raises:
        BadInput: no recipe is named and a task has several, the named one does not exist, or
            the baseline is not.
    """
    recipe = None if recipe == evidence.recipe else recipe  # all runs are of it
    _check_recipes(evidence, recipe)
    found = [("", evidence)]
    if recipe is not None:
        labels = sorted({run.setting.recipe_label for run in evidence.runs}) if recipe == EACH else [recipe]
        found = [
            (label, replace(evidence, runs=tuple(run for run in evidence.runs if run.setting.recipe_label == label)))
            for label in labels
        ]
    for _, part in found:
        _check_baseline(part, baseline)
    return found


def file_name(label: str) -> str:
    """A label of a ledger as part of the name of a file."""
    return re.sub(r"[^\w.=+-]+", "-", label).strip("-")


def _left_out(evidence: Evidence, part: Evidence, metric: str | None) -> tuple[str, ...]:
    """A sentence for each task that these tables leave out."""
    notes = []
    for task in sorted({run.setting.task for run in evidence.runs} - {run.setting.task for run in part.runs}):
        recipes = sorted({run.setting.recipe_label for run in evidence.runs if run.setting.task == task})
        notes.append(f"{task_name(task)} is left out: its runs have the recipe {' or '.join(recipes)}.")
    for task in sorted({run.setting.task for run in part.runs}):
        if metric and all(run.of_metric(metric) is None for run in part.runs if run.setting.task == task):
            notes.append(f"{task_name(task)} has no table: none of its runs has {metric}.")
    return tuple(notes)


def _check_metric(evidence: Evidence, metric: str | None) -> None:
    known = {run.metric for run in evidence.runs} | {name for run in evidence.runs for name in run.metrics}
    if metric is not None and metric not in known:
        raise unknown("metric", metric, known)
    having = [run for run in evidence.runs if metric in (None, run.metric, *run.metrics)]
    for task, name in sorted({(run.setting.task, metric or run.metric) for run in having}):
        describe_metric(task, name)


def _check_recipes(evidence: Evidence, recipe: str | None) -> None:
    counts = Counter((run.setting.task, run.setting.recipe_label) for run in evidence.runs)
    labels = sorted({label for _, label in counts})
    if recipe not in (None, EACH, *labels):
        raise unknown("recipe", recipe, labels, f"in {evidence.file}: {', '.join(labels)}; or {EACH}")
    if recipe is not None:
        return
    for task in sorted({task for task, _ in counts}):
        of_task = {label: count for (other, label), count in sorted(counts.items()) if other == task}
        if len(of_task) > 1:
            listed = ", ".join(f"{label} ({count} runs)" for label, count in of_task.items())
            raise BadInput(
                f"{task} has runs of several recipes: {listed}; they are never mixed in one table: say which with "
                f"--recipe '{next(iter(of_task))}', or --recipe {EACH} for the tables of every recipe"
            )


def _check_baseline(evidence: Evidence, baseline: str) -> None:
    counts = Counter(run.act for run in evidence.runs)
    if baseline not in counts:
        there = ", ".join(f"{act} ({count} runs)" for act, count in sorted(counts.items()))
        several = any(act.startswith(f"{baseline}#") for act in counts)
        reason = (
            f"the baseline {baseline!r} is several functions" if several else f"no run of the baseline {baseline!r}"
        )
        raise BadInput(f"{reason} in {evidence.file}; activations there: {there}; choose one with --baseline")
