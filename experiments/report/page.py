"""One self-contained page of a ledger: findings, tables, figures and where they come from. Nothing is fetched."""

import base64
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.analysis.evidence import Evidence
from experiments.analysis.findings import Finding, findings, of_subjects
from experiments.analysis.numbers import plural
from experiments.analysis.provenance import run_commands, table_command
from experiments.analysis.runs import Setting
from experiments.report.figures import Figure
from experiments.report.figures.opening import opening
from experiments.report.figures.style import FAINT, INK, MUTED, PAPER
from experiments.report.figures.subject import Subject
from experiments.report.names import activation_name, data_name, model_name, task_name
from experiments.report.sentences import finding_sentence, summary
from experiments.report.table import RESULT, STATISTICS, Block, Table

_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", FAINT: "var(--line)", PAPER: "var(--card)"}
"""Colours of a drawing that follow the page's light or dark; those of the data are read on both."""


@dataclass(frozen=True)
class Section:
    """A table with the figures of its settings."""

    title: str
    anchor: str
    table: Table | None
    figures: list[Figure]


@dataclass(frozen=True)
class CardVerdict:
    """One comparison in a card."""

    activation: str
    word: str
    sentence: str


@dataclass(frozen=True)
class Card:
    """The verdicts of one setting."""

    title: str
    where: str
    verdicts: list[CardVerdict]


def render_page(
    evidence: Evidence,
    tables: list[Table],
    figures: list[Figure],
    baseline: str = "relu",
    recipe: str | None = None,
    subject: Sequence[str] = (),
) -> str:
    """The page as HTML.

    Args:
        evidence: a ledger's runs.
        tables: what `build_tables` made of them.
        figures: what `make_figures` drew of them.
        baseline: what the tables and figures were made with.
        recipe: likewise.
        subject: the activations that the page is about, as the ledger labels them; empty: all.
    """
    environment = Environment(
        loader=PackageLoader("experiments.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"drawing": drawing, "task_name": task_name, "data_name": data_name}
    shown = _shown(evidence, tables)
    about = Subject.of(shown, baseline, named=tuple(subject))
    found = findings(shown, baseline)
    options = {
        "baseline": None if baseline == "relu" else baseline,
        "recipe": recipe,
        "select": evidence.selected,
        "subject": subject,
    }
    scripts = ("make_tables.py", "make_figures.py", "make_report.py")
    return environment.get_template("report.html.jinja").render(
        baseline=activation_name(baseline),
        tasks=[task_name(task) for task in sorted({run.setting.task for run in shown.runs})],
        runs=plural(len(shown.runs), "run"),
        subjects=[activation_name(act) for act in subject],
        summary=summary(found, baseline, subject),
        opening=opening(about),
        cards=_cards(of_subjects(found, subject), baseline),
        settings=[(setting, _seeds(shown, setting, baseline)) for setting in shown.settings()],
        sections=_sections(tables, figures),
        views=(RESULT, STATISTICS),
        printed=_printed,
        provenance=_provenance(shown),
        warnings=list(dict.fromkeys(warning for table in tables for warning in table.warnings)),
        run_commands=run_commands(shown.runs),
        report_commands=[table_command(evidence.file, script, **options) for script in scripts],
    )


def _cards(found: list[Finding], baseline: str) -> list[Card]:
    """A card a setting, titled by its task, and by what tells it from others of the task."""
    by_setting = [(setting, list(of_setting)) for setting, of_setting in groupby(found, lambda each: each.setting)]
    tasks = Counter(setting.task for setting, _ in by_setting)
    cards = []
    for setting, of_setting in by_setting:
        where = f"{model_name(setting)} on {data_name(setting)}, recipe {setting.recipe_label}"
        verdicts = [
            CardVerdict(activation_name(each.entry.act), _word(each), finding_sentence(each, baseline))
            for each in of_setting
        ]
        more = f", {setting.precision}, {setting.device_label}" if tasks[setting.task] > 1 else ""
        cards.append(Card(task_name(setting.task), where + more, verdicts))
    return cards


def _word(finding: Finding) -> str:
    verdict = finding.entry.verdict
    return verdict.word if verdict else "no verdict"


def _unbroken(value: object) -> object:
    """Keeps `n = 3`, `p < 0.001` and `95 %` on one line."""
    if type(value) is not str:
        return value
    value = re.sub(r"\b([np]) ([=<]) ", "\\1\N{NO-BREAK SPACE}\\2\N{NO-BREAK SPACE}", value)
    return re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", value)


def _shown(evidence: Evidence, tables: list[Table]) -> Evidence:
    """The evidence without the settings that no table shows (those of recipes that were not asked for)."""
    settings = {setting for table in tables for setting in _settings(table)}
    return replace(evidence, runs=tuple(run for run in evidence.runs if run.setting in settings))


def _settings(table: Table) -> set[Setting]:
    """The settings of a table's rows; none for a table across settings."""
    fields = tuple(Setting.__dataclass_fields__)
    if not set(fields) <= {column.key for column in table.columns}:
        return set()
    return {Setting(**{field: record[field] for field in fields}) for record in table.records()}


def _sections(tables: list[Table], figures: list[Figure]) -> list[Section]:
    """A section a table with the figures that belong there; the other figures after them."""
    left, sections = list(figures), []
    for table in tables:
        own = [figure for figure in left if figure.setting in _settings(table)]
        left = [figure for figure in left if figure not in own]
        sections.append(Section(table.title, table.name, table, own))
    if left:
        sections.append(Section("The activations", "activations", None, left))
    return sections


def _printed(table: Table, block: Block, view: str) -> tuple[list, list]:
    """(columns, rows of cells) of a view; no rows where it has nothing to show."""
    return [table.columns[place] for place in table.places(view)], table.printed(block, view)


def _seeds(evidence: Evidence, setting: Setting, baseline: str) -> str:
    """`ReLU (3), CAReLU (2 of 3)`: the finished runs of each activation."""
    said = []
    for act, runs in evidence.of(setting, baseline).items():
        finished = sum(run.status == "finished" for run in runs)
        said.append(f"{activation_name(act)} ({finished}{f' of {len(runs)}' if finished < len(runs) else ''})")
    return ", ".join(said)


def _provenance(evidence: Evidence) -> list[tuple[str, str]]:
    """(what, value), each over all runs."""
    runs = evidence.runs
    statuses = Counter(run.status for run in runs)
    unfinished = [f"{run.run_id} {run.status}" for run in runs if run.status != "finished"]
    commits = sorted({f"{run.git_commit}{' with uncommitted changes' if run.git_dirty else ''}" for run in runs})
    return [
        ("Runs", ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))),
        ("Not finished", "; ".join(unfinished) or "none"),
        ("Commits of the runs", ", ".join(commits)),
        ("Devices", ", ".join(sorted({run.full_device for run in runs}))),
        ("PyTorch", ", ".join(sorted({run.torch for run in runs}))),
        ("Time", f"{sum(run.wall_seconds for run in runs) / 3600:.1f} hours of training in all"),
        ("First and last run", " to ".join(sorted({f(run.finished_at for run in runs) for f in (min, max)}))),
    ]


def drawing(figure: Figure) -> Markup:
    """A figure for the page: a drawing inline, so that it follows light and dark; a photograph as a data URI."""
    if figure.svg is None:
        content = base64.b64encode(figure.png).decode()
        return Markup('<img class="photograph" src="data:image/png;base64,{}" alt="{}">').format(content, figure.alt)
    text = figure.svg.decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # Ids are unique within a drawing only; on the page they get its name in front.
    text = re.sub(r'\bid="', f'id="{figure.name}-', text)
    text = re.sub(r'href="#', f'href="#{figure.name}-', text)
    text = re.sub(r"url\(#", f"url(#{figure.name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    opening = re.search(r"<svg [^>]*>", text, flags=re.DOTALL)[0]
    width, height = (float(re.search(rf'\b{side}="([\d.]+)pt"', opening)[1]) for side in ("width", "height"))
    start = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        'viewBox="0 0 {:.2f} {:.2f}" style="width: {:.0f}px" aria-label="{}">'
    ).format(width, height, width * 4 / 3, figure.alt)
    return start + Markup(text[text.index(opening) + len(opening) :])
