"""The results on the front page: a table of all settings, sentences on its subjects, and those of each study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import get_args

from experiments.analysis.comparison import Entry, values_by_seed
from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import Finding, Headline, findings_of, headlines, of_subjects
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import ABSENT, fixed, plural, with_deviation
from experiments.analysis.option_curves import curves_over
from experiments.analysis.runs import Setting, activations_of
from experiments.analysis.verdict import Word
from experiments.errors import BadInput
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.rendering import markdown_grid
from experiments.report.sentences import (
    ANY_NUMBER,
    curve_words,
    difference_cell,
    finding_sentence,
    tally,
)
from experiments.report.table import RESULT, Cell, Column, simple_table

BEGIN, END = "<!-- results -->", "<!-- /results -->"
"""The generated block is between these two lines."""
BASELINE = "relu"
_NO_VERDICT = "no verdict"
_OPEN = ("undecided", _NO_VERDICT)


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
    root: Path, comparison: str, studies: Sequence[OptionStudy] = (), subjects: tuple[str, ...] = ()
) -> str:
    """The generated block of the front page.

    Args:
        root: of the repository.
        comparison: the ledger, relative to it, of which each setting gets a row and its sentences.
        studies: the ledgers that show an option.
        subjects: the activations of `comparison` that get a sentence; without them all.

    Raises:
        BadInput: a ledger cannot be read, or no activation of `comparison` shares a seed with the baseline.
    """
    evidence = read_evidence(root / comparison)
    compared = headlines(evidence, BASELINE)
    if not compared:
        raise BadInput(f"{comparison} has no activation that shares a seed with {BASELINE} in the same setting")
    tables = (Path(comparison).parent / "tables").as_posix()
    found = [finding for each in compared for finding in findings_of(each.setting, each.metric, each.entries)]
    about = of_subjects(found, subjects)
    sentences = "\n".join(f"- **{model_name(each.setting)}**: {finding_sentence(each, BASELINE)}" for each in about)
    return "\n\n".join(
        filter(
            None,
            [
                _in_short(found, about, names := _names(compared)),
                _overview(compared, names, tables),
                sentences,
                *(_of_option(root, each) for each in studies),
            ],
        )
    )


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


def _in_short(found: Sequence[Finding], about: Sequence[Finding], names: Mapping[Setting, str]) -> str:
    """A sentence on each activation of `about`, in how many settings it has which verdict, and one on all others."""
    of_act: dict[str, list[Finding]] = {}
    for each in about:
        of_act.setdefault(each.entry.act, []).append(each)
    base = activation_name(BASELINE)
    said = [
        f"{activation_name(act)} against {base} in {plural(len(own), 'setting')}: {_verdicts(own, names)}."
        f"{_where_it_competed(own, names)}"
        for act, own in of_act.items()
    ]
    others = [each for each in found if each not in about]
    if others:
        acts = ", ".join(activation_name(act) for act in dict.fromkeys(each.entry.act for each in others))
        said.append(f"{acts} against {base}, {plural(len(others), 'comparison')}: {tally(others)}.")
    return f"**In short.** {' '.join(said)}" if about else ""


def _where_it_competed(own: Sequence[Finding], names: Mapping[Setting, str]) -> str:
    """Where the scale of an activation depended on its input; empty where no scale is recorded."""
    recorded = [each for each in own if each.entry.activity.scale_spread is not None]
    if not recorded:
        return ""
    acted = [names[each.setting] for each in recorded if not each.entry.activity.constant_scale]
    where = f" ({', '.join(acted)})" if 0 < len(acted) < len(recorded) else ""
    constant = "; elsewhere at least half of its layers acted as ReLU times a constant"
    return (
        f" Its scale depended on the input in {len(acted)} of {len(recorded)}{where}"
        f"{constant if len(acted) < len(recorded) else ''}."
    )


def _verdicts(findings: Sequence[Finding], names: Mapping[Setting, str]) -> str:
    """Like "0 better, 1 worse (ESPCN on BSDS300), 4 undecided": where it is decided is named."""
    named: dict[str, list[str]] = {word: [] for word in (*get_args(Word), _NO_VERDICT)}
    for each in findings:
        named[_word(each.entry)].append(names[each.setting])
    return ", ".join(
        f"{len(settings)} {word}" + (f" ({', '.join(settings)})" if settings and word not in _OPEN else "")
        for word, settings in named.items()
        if settings or word == "better"
    )


def _word(entry: Entry) -> str:
    return entry.verdict.word if entry.verdict else _NO_VERDICT


def _overview(compared: Sequence[Headline], names: Mapping[Setting, str], tables: str) -> str:
    """A table with a row per setting and a column per activation, and the links to the whole tables."""
    acts = activations_of([run for each in compared for entry in each.entries for run in entry.runs], BASELINE)[1:]
    columns = [
        Column("setting", "", (RESULT,), numeric=False),
        Column("baseline", activation_name(BASELINE), (RESULT,)),
        *(Column(act, activation_name(act), (RESULT,), numeric=False) for act in acts),
    ]
    rows = [
        [f"{names[each.setting]}: {each.metric.heading}", _level(each), *(_difference(each, act) for act in acts)]
        for each in compared
    ]
    links = dict.fromkeys(f"[{task_name(each.setting.task)}]({tables}/{each.setting.task}.md)" for each in compared)
    return "\n\n".join(
        [
            f"Mean difference to {activation_name(BASELINE)} over pairs of runs with the same seed, its interval "
            f"({ANY_NUMBER}), and the verdict. All numbers: {', '.join(links)}.",
            markdown_grid(table := simple_table("overview", "", columns, rows), table.blocks[0]),
        ]
    )


def _names(compared: Sequence[Headline]) -> dict[Setting, str]:
    """Model and data of each setting; the recipe and all that departs, only where two would be called alike."""
    settings = [each.setting for each in compared]
    plain = [replace(each, overrides="{}") for each in settings]
    short = [f"{model_name(each)} on {data_name(each)}" for each in plain]
    return {
        each: brief
        if short.count(brief) == 1
        else f"{model_name(each)} on {data_name(each)} with recipe {each.recipe_label}"
        for brief, each in zip(short, settings, strict=True)
    }


def _level(compared: Headline) -> str:
    base = compared.entries[0].summary
    return with_deviation(base.mean, base.sd, compared.metric.decimals)


def _difference(compared: Headline, act: str) -> Cell:
    entry = next((entry for entry in compared.entries if entry.act == act), None)
    if entry is None or not entry.differences:
        return Cell(ABSENT)
    return Cell(
        f"{_word(entry)}: {difference_cell(entry, compared.metric)}, n = {len(entry.differences)}", bold=entry.better
    )


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
        f"{study.option.rpartition('.')[2]}: {model_name(setting)} on {data_name(setting)}, mean of {seeds}, too few "
        "for a verdict; in brackets the spread of the scale over inputs. "
        f"{activation_name(study.baseline)}: {fixed(fmean(base), metric.decimals)}."
    )
    return "\n".join([answer, *(f"- {curve_words(curve, study.metric, metric.decimals)}" for curve in curves)])
