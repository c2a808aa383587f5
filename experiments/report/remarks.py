"""Notes below a comparison: single seeds, unequal seeds, runs that did not finish, no margin."""

from collections.abc import Sequence
from pathlib import Path

from experiments.analysis.comparison import Entry, Inequality, inequalities
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import fixed, plural
from experiments.analysis.runs import Run
from experiments.errors import BadInput
from experiments.record import reproduced
from experiments.report.names import activation_name


def remarks(entries: Sequence[Entry], baseline: str, metric: str) -> tuple[str, ...]:
    """The notes of one block, in a fixed order."""
    notes = [
        _reference(entries, metric),
        _missing_baseline(entries, baseline),
        _single_seeds(entries),
        _without_margin(entries, metric),
        *map(_inequality, inequalities(entries)),
        *_pairings(entries, entries[0]),
    ]
    for entry in entries:
        notes += [
            _unlike(entry, entries[0]),
            *_unfinished(entry),
            _without_metric(entry, metric),
        ]
    return tuple(note for note in notes if note)


def repetitions(ledger: Path, runs: Sequence[Run]) -> tuple[str, ...]:
    """How many of the runs were made again and came back equal, as reproduced.csv beside the ledger says."""
    times = {run.run_id: run.finished_at for run in runs}
    try:
        found = [each for each in reproduced.read(ledger) if times.get(each.run_id) == each.finished_at]
    except BadInput as error:
        return (f"Warning: {error}.",)
    if not found:
        return ()
    unequal = [f"{each.run_id} in {each.differs_in.replace(' ', ', ')}" for each in found if not each.equal]
    outcome = f"{len(found) - len(unequal)} equal to the last bit" + "".join(f"; different: {each}" for each in unequal)
    return (f"Made again by `scripts/reproduce.py`: {len(found)} of the {plural(len(runs), 'run')}; {outcome}.",)


def _reference(entries: Sequence[Entry], metric: str) -> str:
    """The PSNR of bicubic interpolation on the same images, if all runs have the same value."""
    reference = entries[0].reference
    if reference is None:
        return ""
    kind = describe_metric(entries[0].runs[0].setting.task, metric)
    return f"Bicubic interpolation of the same images: {fixed(reference, kind.decimals)} {kind.unit}."


def _missing_baseline(entries: Sequence[Entry], baseline: str) -> str:
    if entries[0].act == baseline:
        return ""
    there = ", ".join(entry.act for entry in entries)
    return f"No run of {activation_name(baseline)} here, so nothing is compared; --baseline takes one of: {there}."


def _single_seeds(entries: Sequence[Entry]) -> str:
    single = [activation_name(entry.act) for entry in entries if len(entry.values) == 1]
    if not single:
        return ""
    whose = "" if len(single) == len(entries) else f" for {', '.join(single)}"
    return f"One seed{whose}: no interval, no test."


def _without_margin(entries: Sequence[Entry], metric: str) -> str:
    if entries[0].margin is not None or not any(entry.paired and entry.paired.n for entry in entries):
        return ""
    title = describe_metric(entries[0].runs[0].setting.task, metric).title
    return f"No verdict on {title}: only the headline of a task has a margin of practical equivalence."


def _pairings(entries: Sequence[Entry], base: Entry) -> list[str]:
    alike: dict[tuple[int, int], list[str]] = {}
    for entry in entries:
        if entry.paired is not None and not len(entry.values) == len(base.values) == entry.paired.n:
            alike.setdefault((entry.paired.n, len(entry.values)), []).append(activation_name(entry.act))
    return [
        f"{', '.join(names)}: {plural(pairs, 'pair')} from {plural(seeds, 'seed')} of "
        f"{'it' if len(names) == 1 else 'each'} and {len(base.values)} of {activation_name(base.act)}."
        for (pairs, seeds), names in alike.items()
    ]


_CONDITIONS = {
    "torch": "PyTorch",
    "kernel": "kernel",
    "code_hash": "code",
    "processor": "processor",
    "device": "device",
}


def _inequality(found: Inequality) -> str:
    counts = ", ".join(f"{value or 'not recorded'} ({plural(count, 'run')})" for value, count in found.counts.items())
    return f"The runs differ in {_CONDITIONS[found.condition]}: {counts}. Only runs that have it in common are pairs."


def _unlike(entry: Entry, base: Entry) -> str:
    if not entry.unlike:
        return ""
    seeds = f"{'seed' if len(entry.unlike) == 1 else 'seeds'} {', '.join(map(str, entry.unlike))}"
    return (
        f"{activation_name(entry.act)}: no pair at {seeds}, because its run and that of {activation_name(base.act)} "
        "are not of the same PyTorch, kernel, code, processor and device; repeat both with force=true."
    )


def _unfinished(entry: Entry) -> list[str]:
    notes = []
    for status in ("diverged", "failed"):
        seeds = [str(run.seed) for run in entry.runs if run.status == status]
        if seeds:
            consequence = "; the seeds left are no fair sample, so there is no verdict" if status == "diverged" else ""
            word = "seed" if len(seeds) == 1 else "seeds"
            notes.append(
                f"{activation_name(entry.act)}: {len(seeds)} of {plural(len(entry.runs), 'run')} {status} ({word} "
                f"{', '.join(seeds)}){consequence}."
            )
    return notes


def _without_metric(entry: Entry, metric: str) -> str:
    lacking = entry.count("finished") - len(entry.values)
    return f"{activation_name(entry.act)}: {plural(lacking, 'finished run')} without {metric}." if lacking else ""
