"""What a reader must be told below a comparison: single seeds, unequal seeds, runs that did not finish."""

from collections.abc import Sequence

from experiments.analysis.comparison import Entry
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import fixed, plural
from experiments.configuration.task_spec import spec_of


def remarks(entries: Sequence[Entry], baseline: str, metric: str) -> tuple[str, ...]:
    """The notes of one block, in a fixed order."""
    notes = [_reference(entries, metric), _missing_baseline(entries, baseline), _single_seeds(entries)]
    for entry in entries:
        notes += [_pairing(entry, entries[0]), *_unfinished(entry), _without_metric(entry, metric)]
    return tuple(note for note in notes if note)


def _reference(entries: Sequence[Entry], metric: str) -> str:
    """What bicubic interpolation reaches on the same images, where the runs say so with one voice."""
    measured_on, slash, base = metric.rpartition("/")
    reference = f"{measured_on}{slash}bicubic_{base}"
    values = {run.metrics[reference] for entry in entries for run in entry.runs if reference in run.metrics}
    tasks = {run.setting.task for entry in entries for run in entry.runs}
    if len(values) != 1 or f"bicubic_{base}" not in spec_of(task := tasks.pop()).metrics:
        return ""
    kind = describe_metric(task, reference)
    return f"Bicubic interpolation of the same images: {fixed(values.pop(), kind.decimals)} {kind.unit}."


def _missing_baseline(entries: Sequence[Entry], baseline: str) -> str:
    if entries[0].act == baseline:
        return ""
    there = ", ".join(entry.act for entry in entries)
    return f"No run of {baseline} here, so nothing is compared; --baseline takes one of: {there}."


def _single_seeds(entries: Sequence[Entry]) -> str:
    single = [entry.act for entry in entries if len(entry.values) == 1]
    if not single:
        return ""
    whose = "" if len(single) == len(entries) else f" for {', '.join(single)}"
    return f"n = 1{whose}: no interval, no claim."


def _pairing(entry: Entry, base: Entry) -> str:
    if entry.paired is None or len(entry.values) == len(base.values) == entry.paired.n:
        return ""
    return (
        f"{entry.act}: {plural(entry.paired.n, 'pair')} of {len(entry.values)} ({entry.act}) and "
        f"{len(base.values)} ({base.act}) seeds."
    )


def _unfinished(entry: Entry) -> list[str]:
    notes = []
    for status in ("diverged", "failed"):
        seeds = [str(run.seed) for run in entry.runs if run.status == status]
        if seeds:
            consequence = (
                "; the seeds that are left are no fair sample, so no difference of it is called standing"
                if status == "diverged"
                else ""
            )
            word = "seed" if len(seeds) == 1 else "seeds"
            notes.append(
                f"{entry.act}: {len(seeds)} of {plural(len(entry.runs), 'run')} {status} ({word} "
                f"{', '.join(seeds)}){consequence}."
            )
    return notes


def _without_metric(entry: Entry, metric: str) -> str:
    lacking = entry.count("finished") - len(entry.values)
    return f"{entry.act}: {plural(lacking, 'finished run')} without {metric}." if lacking else ""
