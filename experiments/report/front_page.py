"""The results on the front page: a short table and a sentence for each task, and the sentences of each study."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from experiments.analysis.comparison import Entry, compare, values_by_seed
from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.findings import findings, findings_of, of_subjects
from experiments.analysis.metrics import describe_metric, difference_unit
from experiments.analysis.numbers import ABSENT, fixed, plural, with_deviation
from experiments.analysis.option_curves import curves_over
from experiments.analysis.runs import Setting
from experiments.analysis.tuning import tune
from experiments.configuration.task_spec import Metric
from experiments.errors import BadInput
from experiments.report.names import activation_name, data_name, task_name
from experiments.report.rendering import markdown_grid
from experiments.report.sentences import (
    ANY_NUMBER,
    curve_words,
    difference_cell,
    finding_sentence,
    summary,
    verdict_text,
)
from experiments.report.table import RESULT, Cell, Column, simple_table

BEGIN, END = "<!-- results -->", "<!-- /results -->"
"""The generated block is between these two lines."""


@dataclass(frozen=True)
class Study:
    """A ledger of the front page that answers a question in sentences."""

    question: str
    ledger: str
    """Relative to the root of the repository."""
    tables: str
    """The page of its tables, relative to the root."""
    baseline: str = "relu"
    metric: str | None = None
    tuned: str | None = None
    subjects: tuple[str, ...] = ()
    """The activations that it is about; without them all."""


@dataclass(frozen=True)
class OptionStudy:
    """A ledger of the front page that shows a metric over one option of an activation, and proves nothing."""

    question: str
    ledger: str
    """Relative to the root of the repository."""
    tables: str
    figure: str
    """The page of its tables and the picture of its curves, relative to the root."""
    activation: str
    option: str
    """The option's dotted key."""
    metric: str
    baseline: str = "relu"


def results_block(
    root: Path, grid: str, studies: tuple[Study | OptionStudy, ...], subjects: tuple[str, ...] = ()
) -> str:
    """The generated block of the front page.

    Args:
        root: of the repository.
        grid: the ledger, relative to it, of which each setting gets a table.
        studies: the ledgers that get sentences.
        subjects: the activations of `grid` that get a sentence; without them all.

    Raises:
        BadInput: a ledger cannot be read.
    """
    evidence = read_evidence(root / grid)
    tables = (Path(grid).parent / "tables").as_posix()
    parts = [_of_setting(evidence, setting, tables, subjects) for setting in evidence.settings()]
    of_studies = (_of_study(root, each) if isinstance(each, Study) else _of_option(root, each) for each in studies)
    return "\n\n".join([*parts, *of_studies])


def with_results(page: str, block: str) -> str:
    """The page with the block between the marks.

    Raises:
        BadInput: the page lacks a mark, repeats one, or has them in the wrong order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or page.count(BEGIN) + page.count(END) != 2:
        raise BadInput(f"the page needs one line {BEGIN} and, below it, one line {END}; the results go between them")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def _of_setting(
    evidence: Evidence, setting: Setting, tables: str, subjects: tuple[str, ...], baseline: str = "relu"
) -> str:
    """A table of the headline, a row per activation, and the sentences on the subjects."""
    name = next(run.metric for run in evidence.runs if run.setting == setting)
    metric = describe_metric(setting.task, name)
    entries = compare(evidence, setting, name, baseline)
    seeds = plural(max(len(entry.values) for entry in entries), "seed")
    unit = f", {difference_unit(metric)}" if difference_unit(metric) else ""
    columns = [
        Column("activation", "activation", (RESULT,), numeric=False),
        Column("mean", metric.heading, (RESULT,)),
        Column("difference", f"difference to {activation_name(baseline)}{unit} ({ANY_NUMBER})", (RESULT,)),
        Column("verdict", "verdict", (RESULT,), numeric=False),
    ]
    rows = [
        [
            activation_name(entry.act),
            with_deviation(entry.summary.mean if entry.summary.n else None, entry.summary.sd, metric.decimals),
            _difference(entry, metric, entry.act == baseline),
            Cell(verdict_text(entry), bold=entry.better),
        ]
        for entry in entries
    ]
    table = simple_table(setting.task, "", columns, rows)
    about = of_subjects(findings_of(setting, metric, entries), subjects)
    what = f"{setting.model_label} on {data_name(setting)}"
    where = f"{what}, recipe `{setting.recipe_label}`, {seeds}, {setting.device}"
    parts = [
        f"**{task_name(setting.task)}**: {where} ([all numbers]({tables}/{setting.task}.md)).",
        markdown_grid(table, table.blocks[0]),
        "\n".join(finding_sentence(finding, baseline) for finding in about),
    ]
    return "\n\n".join(filter(None, parts))


def _difference(entry: Entry, metric: Metric, is_baseline: bool) -> str:
    paired = entry.paired
    if paired is None or not paired.n:
        return "baseline" if is_baseline else ABSENT
    return difference_cell(entry, metric)


def _of_study(root: Path, study: Study) -> str:
    """The question, its answer, and the comparisons of the subjects that are better or worse.

    As it picks these from all comparisons of the study, all of them share the level of the verdicts.
    """
    evidence = read_evidence(root / study.ledger)
    if study.tuned:
        evidence = tune(evidence, study.tuned).evidence
    found = findings(evidence, study.baseline, study.metric, together=True)
    about = of_subjects(found, study.subjects)
    shown = about if len(about) == 1 else [finding for finding in about if finding.entry.different]
    answer = f"**{study.question}** ([all numbers]({study.tables})) {summary(found, study.baseline, study.subjects)}"
    blocks = {(finding.setting, finding.metric) for finding in found}
    if len(blocks) > 1:
        answer += (
            f" The {len(found)} comparisons share the 5 % of their intervals; in the tables each block has its own."
        )
    return "\n".join([answer, *(f"- {finding_sentence(finding, study.baseline)}" for finding in shown)])


def _of_option(root: Path, study: OptionStudy) -> str:
    """The question and the means along each curve, with the baseline's."""
    evidence = read_evidence(root / study.ledger)
    (setting,) = evidence.settings()
    by_act = evidence.of(setting)
    metric = describe_metric(setting.task, study.metric)
    base = list(values_by_seed(by_act[study.baseline], study.metric).values())
    runs = [run for each in by_act.values() for run in each if run.act_name == study.activation]
    curves = curves_over(evidence, study.activation, runs, study.option)
    seeds = plural(max(len(each) for curve in curves for each in curve.runs.values()), "seed")
    heading = metric.heading[:1].upper() + metric.heading[1:]
    answer = (
        f"**{study.question}** ([curves]({study.figure}), [all numbers]({study.tables})) {heading}, by "
        f"{study.option.rpartition('.')[2]}: {setting.model_label} on {data_name(setting)}, mean of {seeds}, too few "
        "for a verdict; in brackets the spread of the scale over inputs. "
        f"{activation_name(study.baseline)}: {fixed(fmean(base), metric.decimals)}."
    )
    return "\n".join([answer, *(f"- {curve_words(curve, study.metric, metric.decimals)}" for curve in curves)])
