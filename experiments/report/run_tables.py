"""Runs as tables for a terminal: a list, one run, two runs side by side, and where the disk space went."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from rich.table import Table
from rich.text import Text

from experiments.analysis.evidence import Evidence
from experiments.analysis.metrics import difference_unit, find_metric
from experiments.analysis.numbers import ABSENT, fixed, plural
from experiments.analysis.runs import Run
from experiments.analysis.statistics import summarise
from experiments.configuration.composition import flatten, literal
from experiments.errors import BadInput
from experiments.record.run_directory import ARTIFACTS, CHECKPOINT, CONFIG, METRICS, PREDICTIONS, read_metrics
from experiments.record.stored_runs import StoredRun, folder_size
from experiments.training.console import duration

_COLOURS = {"finished": "green", "running": "cyan", "interrupted": "yellow", "failed": "red", "diverged": "red"}

_NOT_COMPARED = ("task.package", "act.package", "force", "logger", "output_root")
"""Settings, or their parents, that say nothing of what a run computes."""

_EPOCHS_SHOWN = 10


def runs_table(runs: Sequence[StoredRun], now: float | None = None) -> Table:
    """The runs, the newest last, with their headline, seed, age and size on disk."""
    now = time.time() if now is None else now
    table = Table("run", "status", "headline", "seed", "time", "age", "disk")
    table.columns[0].overflow = "fold"  # an id that is cut cannot be copied
    for column in table.columns[2:]:
        column.justify = "right"
    for run in runs:
        table.add_row(
            run.run_id,
            Text(run.status, _COLOURS.get(run.status, "")),
            measured(run.task, run.metric, run.value),
            str(run.seed),
            ABSENT if run.wall_seconds is None else duration(run.wall_seconds),
            age(now - run.changed),
            ABSENT if run.folder is None else disk(run.size),
        )
    total = sum(run.size for run in runs)
    table.caption = f"{plural(len(runs), 'run')}, {disk(total)}"
    return table


def run_table(run: StoredRun) -> Table:
    """One run: its names, settings that differ from the recipe, cost, metrics and files."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rows = {"run": run.run_id, "status": run.status, "task": run.task, "recipe": run.recipe, "activation": run.act}
    rows |= {"seed": str(run.seed), "folder": str(run.folder or "only in the ledger")}
    row = run.row
    if row is not None:
        changes = ", ".join(f"{key}={literal(value)}" for key, value in sorted(row.overrides.items()))
        rows |= {
            "model": f"{row.model}, {row.parameters:,} parameters",
            "data": row.data,
            "settings": changes or "those of the recipe",
            "device": row.device + ("" if row.threads is None else f", {plural(row.threads, 'thread')}"),
            "precision": row.precision,
            "took": f"{duration(row.wall_seconds)}, {row.step_milliseconds:.1f} ms per step",
            "peak memory": f"{row.peak_memory_mib:,.0f} MiB",
            "finished": row.finished_at,
            "code": row.git_commit[:10] + (" with changes" if row.git_dirty else ""),
            "command": row.command,
        }
        rows |= {name: measured(run.task, name, value) for name, value in row.metrics.items()}
    if run.folder is not None:
        rows["disk"] = disk(run.size)
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def comparison_tables(first: StoredRun, second: StoredRun, evidence: Evidence | None) -> list[Table]:
    """Two runs side by side: the settings that differ, the final metrics, the headline by epoch, the pairs of seeds."""
    tables = [_settings(first, second), _metrics(first, second), _curves(first, second)]
    return [table for table in (*tables, _pairs(first, second, evidence)) if table is not None]


def _settings(first: StoredRun, second: StoredRun) -> Table:
    table = Table("setting", first.run_id, second.run_id, title="settings that differ", title_justify="left")
    settings = [_settings_of(run) for run in (first, second)]
    for key in sorted(settings[0].keys() | settings[1].keys()):
        values = [each.get(key, ABSENT) for each in settings]
        if values[0] != values[1]:
            table.add_row(key, *(value if value == ABSENT else literal(value) for value in values))
    if not table.row_count:
        table.add_row("none", "", "")
    return table


def _settings_of(run: StoredRun) -> dict[str, object]:
    """All settings of a run by dotted key; without its folder those that the ledger tells."""
    if run.folder is not None and (run.folder / CONFIG).exists():
        try:
            found = flatten(yaml.safe_load((run.folder / CONFIG).read_text(encoding="utf-8")))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise BadInput(f"{run.folder / CONFIG} is damaged; restore it") from error
    else:
        row = run.row
        found = {"seed": row.seed, "recipe": row.recipe, "act.name": row.act, "model.name": row.model, **row.overrides}
    return {
        key: value
        for key, value in found.items()
        if value != {} and not any(key == n or key.startswith(f"{n}.") for n in _NOT_COMPARED)
    }


def _metrics(first: StoredRun, second: StoredRun) -> Table | None:
    found = [run.row.metrics if run.row else {} for run in (first, second)]
    names = [name for name in found[0] if name in found[1]] if first.task == second.task else []
    if not names:
        return None
    table = Table("metric", first.act, second.act, "difference", title="final metrics", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in names:
        a, b = (each[name] for each in found)
        table.add_row(name, measured(first.task, name, a), measured(first.task, name, b), _gap(first.task, name, a - b))
    return table


def _curves(first: StoredRun, second: StoredRun) -> Table | None:
    """The headline by epoch, for at most `_EPOCHS_SHOWN` epochs."""
    metric = first.metric or second.metric
    curves = [_curve(run, metric) for run in (first, second)]
    epochs = sorted(curves[0].keys() | curves[1].keys())
    if not metric or not all(curves) or first.task != second.task:
        return None
    step = -(-len(epochs) // _EPOCHS_SHOWN)
    shown = [epoch for place, epoch in enumerate(epochs) if place % step == 0 or epoch == epochs[-1]]
    table = Table("epoch", first.act, second.act, title=f"{metric} by epoch", title_justify="left")
    for epoch in shown:
        table.add_row(str(epoch), *(measured(first.task, metric, curve.get(epoch)) for curve in curves))
    return table


def _curve(run: StoredRun, metric: str | None) -> dict[int, float]:
    if run.folder is None or not (run.folder / METRICS).exists():
        return {}
    return {each["epoch"]: each[metric] for each in read_metrics(run.folder / METRICS) if metric in each}


def _pairs(first: StoredRun, second: StoredRun, evidence: Evidence | None) -> Table | None:
    """The headline of the two activations and settings at every seed that the ledger has of both."""
    owns = [_in_evidence(run, evidence) for run in (first, second)]
    if None in owns or owns[0].metric != owns[1].metric:
        return None
    if (owns[0].setting, owns[0].act) == (owns[1].setting, owns[1].act):  # two seeds of the same
        return None
    values = [_values_by_seed(own, evidence) for own in owns]
    seeds = sorted(values[0].keys() & values[1].keys())
    if not seeds:
        return None
    title = f"{first.metric}: pairs with equal seeds"
    table = Table("seed", first.act, second.act, "difference", title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    differences = [values[0][seed] - values[1][seed] for seed in seeds]
    for seed, difference in zip(seeds, differences, strict=True):
        pair = (measured(first.task, first.metric, each[seed]) for each in values)
        table.add_row(str(seed), *pair, _gap(first.task, first.metric, difference))
    if len(seeds) > 1:
        found = summarise(differences)
        table.caption = (
            f"mean {_gap(first.task, first.metric, found.mean)}, standard deviation "
            f"{_gap(first.task, first.metric, found.sd).lstrip('+')}; the verdict: python scripts/make_tables.py"
        )
    return table


def _in_evidence(run: StoredRun, evidence: Evidence | None) -> Run | None:
    return next((each for each in (evidence.runs if evidence else []) if each.run_id == run.run_id), None)


def _values_by_seed(own: Run, evidence: Evidence) -> dict[int, float]:
    """The headline by seed of all runs with the setting and the activation of one."""
    same = (own.setting, own.act, own.metric)
    return {
        each.seed: each.value
        for each in evidence.runs
        if (each.setting, each.act, each.metric) == same and each.value is not None
    }


def size_tables(runs: Iterable[StoredRun], output_root: Path) -> list[Table]:
    """Disk space by task and recipe, and by kind of file."""
    runs = [run for run in runs if run.folder is not None]
    by_recipe: dict[tuple[str, str], list[StoredRun]] = defaultdict(list)
    kinds: dict[str, int] = defaultdict(int)
    for run in runs:
        by_recipe[run.task, run.recipe].append(run)
        for kind, size in _by_kind(run.folder).items():
            kinds[kind] += size
    places = Table("task", "recipe", "runs", "disk")
    for (task, recipe), members in sorted(by_recipe.items()):
        places.add_row(task, recipe, str(len(members)), disk(sum(run.size for run in members)))
    kinds["outside of the folders of runs"] = folder_size(output_root) - sum(run.size for run in runs)
    files = Table("files", "disk")
    for kind, size in sorted(kinds.items(), key=lambda item: -item[1]):
        files.add_row(kind, disk(size))
    for table in (places, files):
        table.columns[-1].justify = "right"
    return [places, files]


def _by_kind(folder: Path) -> Mapping[str, int]:
    kinds: dict[str, int] = defaultdict(int)
    for entry in folder.iterdir():
        own = entry.name in (CHECKPOINT, METRICS, PREDICTIONS, ARTIFACTS, "replaced", "wandb")
        size = folder_size(entry) if entry.is_dir() else entry.lstat().st_size
        kinds[entry.name if own else "other files of runs"] += size
    return kinds


def measured(task: str, name: str | None, value: float | None) -> str:
    """A metric's value with its unit, or a dash."""
    if name is None or value is None:
        return ABSENT
    metric = find_metric(task, name)
    return f"{value:.4g}" if metric is None else f"{fixed(value, metric.decimals)} {metric.unit}".rstrip()


def _gap(task: str, name: str, value: float) -> str:
    metric = find_metric(task, name)
    if metric is None:
        return f"{value:+.4g}"
    return f"{fixed(value, metric.decimals, signed=True)} {difference_unit(metric)}".rstrip()


def disk(size: float) -> str:
    """Bytes for people, in powers of 1000: "12.3 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def age(seconds: float) -> str:
    """How long ago, roughly: "5 min", "3 h", "12 days"."""
    minutes = max(seconds, 0) / 60
    if minutes < 1:
        return "now"
    if minutes < 90:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
