"""One W&B run that holds a ledger's comparison: its tables as W&B Tables, its figures as images."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.findings import findings, of_subjects
from experiments.analysis.runs import Setting
from experiments.analysis.selection import EACH, with_baseline
from experiments.analysis.tuning import tune
from experiments.errors import BadInput, one_line
from experiments.record.wandb_run import COMPARISON, Description, WandbRun, clear_offline_copies, resolve_mode
from experiments.report.figures import make_figures, write_figures
from experiments.report.sentences import finding_sentence, summary
from experiments.report.table import Table
from experiments.report.tables import build_tables, parts


def log_comparison(ledger: Path, logger: DictConfig, say: Callable[[str], None]) -> None:
    """Writes the comparison of a sweep's ledger; errors become one line and are not raised.

    Args:
        ledger: the ledger; figures are made from it, and W&B keeps its files in wandb/ next to it.
        logger: the chosen file of configs/logger; nothing is done with `logger=none`.
        say: prints one line.
    """
    if logger.name != "wandb":
        return
    try:
        say(f"comparison in W&B: {write_comparison(ledger, logger, ledger.parent)}")
    except Exception as error:
        say(f"note: no comparison in W&B ({one_line(error)}); python scripts/log_comparison.py makes it")


def write_comparison(
    ledger: Path,
    logger: DictConfig,
    folder: Path,
    figures: Path | None = None,
    baseline: str = "relu",
    recipe: str | None = None,
    metric: str | None = None,
    tuned: str | None = None,
    suite: str | None = None,
    subject: Sequence[str] = (),
) -> str:
    """Writes the comparison to W&B: one run per suite, which each call updates.

    Args:
        ledger: the ledger.
        logger: `project`, `entity` and `mode`, as in configs/logger/wandb.yaml.
        folder: where W&B keeps its own files (`<folder>/wandb`).
        figures: a folder whose PNG files are the figures; None: they are made from the ledger.
        baseline: as for `build_tables`.
        recipe: as for `build_tables`; None: each separately if a task has several, without
            those that have no run of the baseline.
        metric: as for `build_tables`.
        tuned: as for `build_tables`.
        suite: the name of the comparison; None: that of the ledger's folder.
        subject: the activations that sentences, bold print and figures are about; without them all.

    Returns:
        The address of its page, or the folder of an offline run.

    Raises:
        BadInput: the arguments do not fit the ledger, or mode is "online" and no user is logged in.
    """
    evidence = read_evidence(ledger)
    if recipe in (None, EACH):
        evidence = with_baseline(evidence, baseline)
    to = OmegaConf.merge(logger, {"mode": resolve_mode(logger.mode)})
    each = EACH if recipe is None and _several_recipes(evidence) else recipe
    of_tables = recipe if tuned else each
    tables = build_tables(evidence, baseline, of_tables, metric, tuned, subject)
    used = tune(evidence, tuned).evidence if tuned else evidence
    shown = tuple(run for _, part in parts(used, baseline, of_tables) for run in part.runs)
    said = _said(replace(used, runs=shown), baseline, metric, subject)
    with tempfile.TemporaryDirectory() as made:
        if figures is None:
            figures = Path(made)
            write_figures(make_figures(evidence, baseline, each, tuple(subject)), figures)
        pictures = sorted(figures.glob("*.png"))
        if not pictures:
            raise BadInput(f"{figures} holds no PNG file; name the folder of the figures, or leave it out")
        description = describe_comparison(evidence, tables, suite, said)
        clear_offline_copies(folder, description.wandb_id)
        session = WandbRun(description, to, folder, live=False)
        try:
            session.log_comparison({table.name: rows_for_wandb(table) for table in tables}, pictures)
            place = session.place
            session.finish({"status": "finished", "runs": len(evidence.runs)})
        except BaseException:
            session.abandon()
            raise
    return place


def describe_comparison(
    evidence: Evidence, tables: list[Table], suite: str | None, said: dict[str, object]
) -> Description:
    """The description of a comparison in W&B; its configuration names the ledger and the runs, and holds `said`."""
    suite = suite or evidence.file.resolve().parent.name
    recipes = sorted({run.setting.recipe_label for run in evidence.runs})
    config = {
        "suite": suite,
        "ledger_sha256": hashlib.sha256(evidence.file.read_bytes()).hexdigest(),
        "runs": len(evidence.runs),
        "runs_by_status": dict(Counter(run.status for run in evidence.runs)),
        "commits": sorted({run.git_commit for run in evidence.runs}),
        "uncommitted_changes": any(run.git_dirty for run in evidence.runs),
        "torch": sorted({run.torch for run in evidence.runs}),
        "settings": [asdict(setting) for setting in evidence.settings()],
        "problems": list(evidence.warnings()),
        "tables": {
            table.name: {"title": table.title, "caption": table.caption, "notes": list(table.notes)} for table in tables
        },
        "command": tables[0].commands[0],
        **said,
    }
    return Description(
        wandb_id=hashlib.sha256(f"comparison {suite}".encode()).hexdigest()[:16],
        group=f"{suite}/{recipes[0] if len(recipes) == 1 else 'several recipes'}",
        job_type=COMPARISON,
        name=f"comparison of {suite}",
        tags=(COMPARISON, *sorted({run.setting.task for run in evidence.runs})),
        config=config,
    )


def _said(evidence: Evidence, baseline: str, metric: str | None, subjects: Sequence[str]) -> dict[str, object]:
    """What the page of the same comparison says: its summary, and a sentence for each finding."""
    found = findings(evidence, baseline, metric)
    return {
        "baseline": baseline,
        "subjects": list(subjects),
        "summary": summary(found, baseline, subjects),
        "findings": [finding_sentence(finding, baseline) for finding in of_subjects(found, subjects)],
    }


def rows_for_wandb(table: Table) -> list[dict[str, object]]:
    """The raw values of each row; columns that are equal in most rows come last, where a wide table is cut off."""
    last = [*(field.name for field in fields(Setting)), "metric", "unit", "baseline"]
    return [dict(sorted(record.items(), key=lambda item: item[0] in last)) for record in table.records()]


def _several_recipes(evidence: Evidence) -> bool:
    pairs = {(run.setting.task, run.setting.recipe_label) for run in evidence.runs}
    return len(pairs) > len({task for task, _ in pairs})
