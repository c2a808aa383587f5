"""The answer at the end of a sweep, as text for a terminal: one table for each setting that its runs belong to."""

from collections.abc import Collection, Sequence
from pathlib import Path

from experiments.analysis.comparison import Entry, compare
from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.findings import Finding
from experiments.analysis.metrics import difference_unit, margin_of
from experiments.analysis.numbers import with_deviation
from experiments.analysis.provenance import table_command
from experiments.analysis.runs import Setting
from experiments.analysis.selection import EACH
from experiments.configuration.task_spec import Metric
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.remarks import remarks
from experiments.report.sentences import ANY_NUMBER, chance_text, difference_cell, finding_sentence, verdict_text
from experiments.report.table import RESULT, Table

_BASELINES = ("relu", "carelu")
"""What the others are compared with: the first of these that a setting has, else its first activation."""


def comparison_text(
    ledger: Path, run_ids: Collection[str], baseline: str | None = None, margin: float | None = None
) -> str:
    """The comparison of the runs of a sweep with each other and with what the ledger holds in the same settings.

    Args:
        ledger: where the runs are recorded.
        run_ids: the runs of the sweep.
        baseline: the label of the activation that the others are compared with; None, or if a setting does not have
            it: the first of `_BASELINES`.
        margin: of practical equivalence, in the metric's unit; None: the task's own.

    Returns:
        A table and a sentence for each setting in which two activations can be compared, and the command of the full
        tables; nothing where there is no such setting.

    Raises:
        BadInput: the ledger cannot be read.
    """
    evidence = read_evidence(ledger)
    settings = sorted({run.setting for run in evidence.runs if run.run_id in run_ids})
    parts = [part for setting in settings if (part := _of_setting(evidence, setting, baseline, margin))]
    if not parts:
        return ""
    command = table_command(ledger, out=str(ledger.parent / "tables"), recipe=_recipe(evidence, settings))
    return "\n\n".join([*parts, f"all statistics: {command}"])


def _recipe(evidence: Evidence, settings: Sequence[Setting]) -> str | None:
    """What --recipe must say for the tables of these settings; None where the ledger has no other recipe."""
    labels = {setting.recipe_label for setting in settings}
    if len(labels) > 1:
        return EACH
    return None if labels == {run.setting.recipe_label for run in evidence.runs} else labels.pop()


def _of_setting(evidence: Evidence, setting: Setting, wanted: str | None, margin: float | None) -> str:
    acts = list(evidence.of(setting))
    if len(acts) < 2:
        return ""
    baseline = next((act for act in (wanted, *_BASELINES) if act in acts), acts[0])
    name = next(run.metric for run in evidence.runs if run.setting == setting)
    metric = evidence.metric(setting, name)
    entries = compare(evidence, setting, name, baseline, margin=margin)
    chance = chance_text(metric)
    heading = f"{task_name(setting.task)}: {metric.heading}" + (f" ({chance})" if chance else "")
    where = f"{model_name(setting)} on {data_name(setting)}, recipe {setting.recipe_label}, {setting.device_label}"
    found = [Finding(setting, metric, entry) for entry in entries if entry.paired and entry.paired.n]
    notes = [*remarks(entries, baseline, name), *_own_margin(setting, metric, name, margin)]
    lines = [heading, where, *_grid(entries, metric, baseline), *notes]
    return "\n".join([*lines, *(finding_sentence(finding, baseline) for finding in found)])


def _own_margin(setting: Setting, metric: Metric, name: str, margin: float | None) -> list[str]:
    usual = margin_of(setting.task, name)
    if margin in (None, usual):
        return []
    unit = difference_unit(metric)
    return [
        f"Margin of this sweep: {margin:g} {unit}".rstrip()
        + f"; the tables use the task's, {usual:g} {unit}".rstrip()
        + "."
    ]


def table_text(table: Table) -> str:
    """The results of a table: its title, then title, setting, rows and notes of each block."""
    parts = []
    for block in table.blocks:
        places = table.places(RESULT)
        titles = [table.columns[place].title for place in places]
        rows = [[cell.text for cell in row] for row in table.printed(block, RESULT)]
        parts.append("\n".join(filter(None, [block.title, block.caption, *_aligned([titles, *rows]), *block.notes])))
    return f"{table.title}\n" + "\n\n".join(parts)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the cells below each other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _grid(entries: Sequence[Entry], metric: Metric, baseline: str) -> list[str]:
    """The rows, below a line that says what a difference is: as a column's title it would be wider than a terminal."""
    unit = f" in {difference_unit(metric)}" if difference_unit(metric) else ""
    rows = [["activation", "seeds", "mean ± sd", "difference", "verdict"]]
    rows += [_row(entry, metric, entry.act == baseline) for entry in entries]
    return [f"difference to {activation_name(baseline)}{unit}, in brackets its {ANY_NUMBER}", *_aligned(rows)]


def _row(entry: Entry, metric: Metric, is_baseline: bool) -> list[str]:
    mean = with_deviation(entry.summary.mean if entry.summary.n else None, entry.summary.sd, metric.decimals)
    cells = [activation_name(entry.act), str(len(entry.values)), mean]
    paired = entry.paired
    if is_baseline or paired is None or not paired.n:
        return [*cells, "baseline" if is_baseline else "no common seed", ""]
    return [*cells, difference_cell(entry, metric), verdict_text(entry)]
