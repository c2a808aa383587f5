"""The table of one task: every activation against the baseline, a block for each setting and metric."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from experiments.analysis.activity import ACTIVITY
from experiments.analysis.comparison import Entry, compare, metrics_shown
from experiments.analysis.evidence import Evidence
from experiments.analysis.findings import is_subject
from experiments.analysis.metrics import describe_metric, margin_of
from experiments.analysis.numbers import ABSENT, fixed, interval, p_text, percent, with_deviation
from experiments.analysis.provenance import describe_conditions, describe_runs, run_commands
from experiments.analysis.runs import Setting
from experiments.analysis.tuning import Tuning
from experiments.configuration.task_spec import Metric
from experiments.report.example_notes import example_notes
from experiments.report.legends import activity_legend, caption, legend, statistics_legend
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.remarks import remarks, repetitions
from experiments.report.sentences import chance_text, verdict_text
from experiments.report.table import CSV, RESULT, STATISTICS, Block, Cell, Column, Table


@dataclass(frozen=True)
class _Row:
    """The data of one row."""

    setting: Setting
    metric_name: str
    metric: Metric
    baseline: str
    entry: Entry
    tuning: Tuning | None
    subjects: Sequence[str]

    @property
    def bold(self) -> bool:
        """Whether it is better, and of a subject."""
        return self.entry.better and is_subject(self.entry.runs[0], self.subjects)


_Field = tuple[Column, Callable[[_Row], Cell]]


def task_table(
    evidence: Evidence,
    task: str,
    baseline: str,
    metric: str | None = None,
    tuning: Tuning | None = None,
    subjects: Sequence[str] = (),
) -> Table | None:
    """The table of a task whose runs all have one recipe, without its commands; None if no run has the metric.

    Args:
        evidence: the runs.
        task: the task.
        baseline: the activation that the others are compared with.
        metric: what is compared; None for the headline, on the test set and on each named test set.
        tuning: how the runs were chosen, if they are the chosen ones of a tuning.
        subjects: the activations of which a better one is bold; without them all.

    Raises:
        BadInput: the direction of the metric is unknown.
    """
    settings = [setting for setting in evidence.settings() if setting.task == task]
    contents = [(setting, name) for setting in settings for name in metrics_shown(evidence, setting, metric)]
    if not contents:
        return None
    kinds = dict.fromkeys(describe_metric(task, metric or name.rpartition("/")[2]) for _, name in contents)
    rows = [
        [
            _Row(setting, name, described, baseline, entry, tuning, subjects)
            for entry in compare(evidence, setting, name, baseline)
        ]
        for setting, name, described in ((*each, evidence.metric(*each)) for each in contents)
    ]
    recorded = [name for name in ACTIVITY if any(_activity(row, name) is not None for block in rows for row in block)]
    fields = _fields(baseline, " / ".join(kind.heading for kind in kinds), tuning, recorded)
    before = [None, *(setting for setting, _ in contents)]
    blocks = tuple(
        _block(evidence, of_block, fields, with_repetitions=setting != previous)
        for of_block, (setting, _), previous in zip(rows, contents, before, strict=False)
    )
    table = Table(
        name=task,
        title=f"{task_name(task)}: {' and '.join(kind.heading for kind in kinds)}",
        caption=caption(kinds, baseline, metric, tuning, subjects),
        columns=tuple(column for column, _ in fields),
        blocks=blocks,
        notes=(),
        commands=run_commands(run for run in evidence.runs if run.setting in settings),
        task=task,
    )
    has_statistics = any(table.printed(block, STATISTICS) for block in table.blocks)
    margin = margin_of(task, contents[0][1])
    reading = legend(baseline, next(iter(kinds)), margin)
    of_statistics = statistics_legend(margin) if has_statistics else ()
    return replace(table, notes=(*reading, *activity_legend(recorded), *of_statistics))


def _block(evidence: Evidence, rows: Sequence[_Row], fields: Sequence[_Field], with_repetitions: bool) -> Block:
    entries = [row.entry for row in rows]
    setting, metric, tuning = rows[0].setting, rows[0].metric, rows[0].tuning
    runs = [run for entry in entries for run in entry.runs]
    chance = chance_text(metric)
    notes = (
        *([f"{_capitalised(chance)}."] if chance else []),
        *remarks(entries, rows[0].baseline, rows[0].metric_name),
        *example_notes(evidence, entries, rows[0].metric_name, rows[0].baseline),
        *(tuning.notes.get(setting, ()) if tuning else ()),
        *(repetitions(evidence.file, runs) if with_repetitions else ()),  # once a setting
    )
    return Block(
        title=f"{_capitalised(metric.title)}: {model_name(setting)} on {data_name(setting)}",
        caption=f"{describe_conditions(setting)}. {describe_runs(runs)}.",
        rows=tuple(tuple(cell(row) for _, cell in fields) for row in rows),
        notes=notes,
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _fields(baseline: str, heading: str, tuning: Tuning | None, recorded: Sequence[str]) -> list[_Field]:
    """Every column with what fills it; of the activity those that a run recorded are printed."""
    printed, both = (RESULT, CSV), (RESULT, STATISTICS, CSV)
    chosen = [(Column("tuned_value", tuning.key, printed), _tuned_value)] if tuning else []
    return [
        *(_text(key, lambda row, key=key: getattr(row.setting, key)) for key in Setting.__dataclass_fields__),
        _text("metric", lambda row: row.metric_name),
        _text("unit", lambda row: row.metric.unit),
        _text("baseline", lambda row: row.baseline),
        (Column("activation", "activation", both, numeric=False), _activation),
        *chosen,
        (Column("n", "seeds", printed), _seeds),
        *(_number(key, lambda row, key=key: row.entry.count(key)) for key in ("finished", "diverged", "failed")),
        (Column("mean", heading, printed), _mean),
        _number("sd", lambda row: row.entry.summary.sd),
        _number("mean_low", lambda row: row.entry.summary.low),
        _number("mean_high", lambda row: row.entry.summary.high),
        (Column("mean_interval", "95 % interval", (STATISTICS,)), _mean_interval),
        (Column("pairs", "pairs", (STATISTICS, CSV)), _pairs),
        (Column("difference", f"difference to {activation_name(baseline)}", printed), _difference),
        _number("verdict_low", _of_verdict("low")),
        _number("verdict_high", _of_verdict("high")),
        _number("margin", lambda row: row.entry.margin),
        (Column("verdict", "verdict", printed, numeric=False), _verdict),
        _text("negligible", _of_verdict("negligible")),
        _number("seeds_needed", _of_verdict("seeds_needed")),
        *(
            (Column(name, title, printed if name in recorded else (CSV,)), _activity_cell(name))
            for name, title in _ACTIVITY_TITLES.items()
        ),
        (Column("difference_interval", "95 % t interval", (STATISTICS,)), _difference_interval),
        _number("difference_low", _of_pairs("low")),
        _number("difference_high", _of_pairs("high")),
        (Column("p_value", "p", (STATISTICS, CSV)), _statistic("p_value", p_text)),
        (Column("p_holm", "p (Holm)", (STATISTICS, CSV)), _corrected_p),
        (Column("effect_size", "g", (STATISTICS, CSV)), _statistic("effect_size", lambda g: fixed(g, 2, signed=True))),
        (
            Column("probability_of_improvement", "P(better)", (STATISTICS, CSV)),
            _statistic("probability_of_improvement", lambda share: fixed(share, 2)),
        ),
        (Column("detectable", "detectable", (STATISTICS, CSV)), _detectable),
        (Column("p_above", "P(> δ)", (STATISTICS, CSV)), _probability("above")),
        (Column("p_within", "P(|·| ≤ δ)", (STATISTICS, CSV)), _probability("within")),
        (Column("p_below", "P(< \N{MINUS SIGN}δ)", (STATISTICS, CSV)), _probability("below")),
        _text("seeds", lambda row: " ".join(str(run.seed) for run in row.entry.runs)),
        _text("commits", lambda row: " ".join(sorted({run.git_commit for run in row.entry.runs}))),
    ]


def _text(key: str, value: Callable[[_Row], object]) -> _Field:
    return Column(key, key, (CSV,), numeric=False), lambda row: Cell(str(value(row) or ""), value(row))


def _number(key: str, value: Callable[[_Row], float | None]) -> _Field:
    def cell(row: _Row) -> Cell:
        return Cell(ABSENT if value(row) is None else str(value(row)), value(row))

    return Column(key, key), cell


def _of_pairs(name: str) -> Callable[[_Row], float | None]:
    """A field of the paired comparison; None without pairs."""
    return lambda row: getattr(row.entry.paired, name) if row.entry.paired and row.entry.paired.n else None


def _of_verdict(name: str) -> Callable[[_Row], float | int | None]:
    """A field of the verdict; None without one, and for an end of an interval that has none."""

    def value(row: _Row) -> float | int | None:
        found = getattr(row.entry.verdict, name) if row.entry.verdict else None
        return None if found is None or math.isinf(found) else found

    return value


def _statistic(name: str, written: Callable[[float | None], str]) -> Callable[[_Row], Cell]:
    def cell(row: _Row) -> Cell:
        value = _of_pairs(name)(row)
        # One pair gives no statistics: only the CSV shows its raw value.
        return Cell(written(value) if row.entry.paired and row.entry.paired.n > 1 else ABSENT, value)

    return cell


def _activation(row: _Row) -> Cell:
    return Cell(activation_name(row.entry.act), row.entry.act)


def _tuned_value(row: _Row) -> Cell:
    value = row.tuning.chosen[row.setting, row.entry.act]
    return Cell(value, value)


def _seeds(row: _Row) -> Cell:
    entry = row.entry
    ends = [f"{entry.count(status)} {status}" for status in ("diverged", "failed") if entry.count(status)]
    of_all = f" of {len(entry.runs)}" if len(entry.runs) > len(entry.values) else ""
    ended = f" ({', '.join(ends)})" if ends else ""
    return Cell(f"{len(entry.values)}{of_all}{ended}", len(entry.values))


def _mean(row: _Row) -> Cell:
    summary = row.entry.summary
    mean = summary.mean if summary.n else None
    return Cell(with_deviation(mean, summary.sd, row.metric.decimals), mean, row.bold)


def _mean_interval(row: _Row) -> Cell:
    return Cell(interval(row.entry.summary.low, row.entry.summary.high, row.metric.decimals))


def _pairs(row: _Row) -> Cell:
    paired = row.entry.paired
    return Cell(str(paired.n) if paired and paired.n > 1 else ABSENT, paired.n if paired else None)


def _difference(row: _Row) -> Cell:
    decimals, difference = row.metric.decimals, _of_pairs("difference")(row)
    if difference is None:
        return Cell("baseline" if row.entry.act == row.baseline else ABSENT)
    low, high = (_of_verdict(end)(row) for end in ("low", "high"))
    around = "" if low is None else f" {interval(low, high, decimals, signed=True)}"
    return Cell(fixed(difference, decimals, signed=True) + around, difference, row.bold)


def _difference_interval(row: _Row) -> Cell:
    return Cell(interval(*(_of_pairs(end)(row) for end in ("low", "high")), row.metric.decimals, signed=True))


def _corrected_p(row: _Row) -> Cell:
    return Cell(p_text(row.entry.p_holm), row.entry.p_holm)


def _verdict(row: _Row) -> Cell:
    verdict = row.entry.verdict
    return Cell(verdict_text(row.entry), verdict.word if verdict else None, row.bold)


_ACTIVITY_TITLES = {
    "scale_spread": "scale spread, %",
    "flipped": "flipped, %",
    "response_distance": "distance from ReLU, %",
}


def _activity(row: _Row, name: str) -> float | None:
    return getattr(row.entry.activity, name)


def _activity_cell(name: str) -> Callable[[_Row], Cell]:
    return lambda row: Cell(percent(_activity(row, name)), _activity(row, name))


def _detectable(row: _Row) -> Cell:
    value = _of_pairs("detectable")(row)
    return Cell(fixed(value, row.metric.decimals), value)


def _probability(side: str) -> Callable[[_Row], Cell]:
    """A probability of the posterior: that the true difference is on this side of the margin."""

    def cell(row: _Row) -> Cell:
        value = getattr(row.entry.posterior, side) if row.entry.posterior else None
        return Cell(fixed(value, 2), value)

    return cell
