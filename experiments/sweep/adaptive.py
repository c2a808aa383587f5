"""The sweep of hydra/sweeper=verdict: adds seeds pair by pair until each comparison is decided or the budget is spent.

It keeps no state of its own. Each decision is `compare` on the ledger, so a sweep that was killed and is asked for
again goes the same way.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.analysis.comparison import Entry, compare
from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.findings import Finding
from experiments.analysis.metrics import describe_metric
from experiments.analysis.numbers import plural
from experiments.analysis.runs import Run
from experiments.analysis.verdict import fewest_pairs
from experiments.configuration.sweeper import Comparison, VerdictOptions
from experiments.errors import BadInput
from experiments.report.sentences import finding_sentence
from experiments.sweep.record import Conclusion, SweepFolder
from experiments.sweep.report import at_once, roughly

Launch = Callable[[list[list[str]], int], object]
"""Runs a batch, given the overrides of each job and the number of the first; returns when all have ended."""


def seeds_before_a_verdict(comparisons: Sequence[Comparison], options: VerdictOptions) -> int:
    """The seeds that each comparison gets before its verdict counts.

    Raises:
        BadInput: max_seeds are fewer.
    """
    compared = len(comparisons[0].activations) - 1
    fewest = fewest_pairs(compared)
    if options.max_seeds < fewest:
        raise BadInput(
            f"hydra.sweeper.max_seeds={options.max_seeds} cannot give a verdict on {plural(compared, 'activation')}; "
            f"accepted: {fewest} or more"
        )
    return max(fewest, options.min_seeds or 0)


@dataclass
class _Track:
    """How far a comparison has come; an activation is named by its place in it, the baseline by 0."""

    comparison: Comparison
    prefix: str
    """What distinguishes it from the others, for a line: `task=text: `."""
    runs: dict[int, str] = field(default_factory=dict)
    """The id of the newest finished run of each activation."""
    decided: set[int] = field(default_factory=set)
    stopped: dict[int, str] = field(default_factory=dict)
    """Activations without a verdict → why."""
    told: set[int] = field(default_factory=set)
    """Those whose reason has been printed."""

    @property
    def open(self) -> list[int]:
        """The activations that get more seeds."""
        return [place for place in self._others if place not in self.decided and place not in self.stopped]

    @property
    def _others(self) -> range:
        return range(1, len(self.comparison.activations))

    def name(self, place: int) -> str:
        """An activation for a line: `task=text: act=carelu`."""
        return self.prefix + " ".join(self.comparison.activations[place])

    def stop(self, place: int, reason: str) -> None:
        """Gives an activation, or with the baseline all, no more seeds: what is left would be a biased sample."""
        for each in self.open if place == 0 else [place]:
            self.stopped.setdefault(each, reason)


class AdaptiveSweep:
    """One sweep of hydra/sweeper=verdict.

    Args:
        options: baseline, budget and margin.
        folder: the record of the sweep, with what it compares.
        ledger: where its runs are recorded.
        launch: runs a batch.
        say: prints a line.
        clock: seconds, for the budget of hours, which counts from now.
    """

    def __init__(
        self,
        options: VerdictOptions,
        folder: SweepFolder,
        ledger: Path,
        launch: Launch,
        say: Callable[[str], None] = print,
        clock: Callable[[], float] = time.time,
    ):
        self._options, self._folder, self._ledger = options, folder, ledger
        self._launch, self._say, self._clock = launch, say, clock
        self._began = clock()
        comparisons = folder.comparisons
        self._tracks = [_Track(each, prefix) for each, prefix in zip(comparisons, _prefixes(comparisons), strict=True)]
        self._first = seeds_before_a_verdict(comparisons, options)
        self._seeds, self._jobs = 0, 0  # asked for so far

    def perform(self) -> Conclusion:
        """Runs batches until nothing is open or the budget is spent; returns and records how it ended."""
        spent = ""
        while any(track.open for track in self._tracks) and not (spent := self._spent()):
            self._run_batch()
            self._judge()
        conclusion = Conclusion(self._sentences(spent), self._baseline_label())
        self._folder.conclude(conclusion)
        return conclusion

    def _spent(self) -> str:
        """Which budget is spent and how to go on; empty while none is."""
        options = self._options
        if self._seeds >= options.max_seeds:
            more = f"repeat the command with hydra.sweeper.max_seeds={2 * options.max_seeds}"
            return f"budget spent: max_seeds={options.max_seeds}; to go on, {more}"
        if options.max_hours is not None and self._clock() - self._began >= options.max_hours * 3600:
            return f"budget spent: max_hours={options.max_hours:g} of this invocation; to go on, repeat the command"
        return ""

    def _run_batch(self) -> None:
        """Runs the next seed of what is open; in a pool all seeds that a first verdict needs, as they run at once."""
        together = self._first if not self._seeds and self._folder.about["launcher"] == "pool" else 1
        start = self._options.first_seed + self._seeds
        asked = [
            (track, place, seed)
            for seed in range(start, start + together)
            for track in self._tracks
            for place in ((0, *track.open) if track.open else ())
        ]
        jobs = [track.comparison.job(place, seed) for track, place, seed in asked]
        self._folder.plan(jobs)
        self._launch(jobs, self._jobs)
        for number, (track, place, seed) in enumerate(asked, self._jobs):
            ending = self._folder.ending(number)
            if ending is not None and ending.value is not None:
                track.runs[place] = ending.run_id
                continue
            state, reason = (ending.state, ending.reason) if ending else ("did not run", "")
            run = f"{' '.join(track.comparison.activations[place])} seed={seed} {state}"
            track.stop(place, f"{run}: {reason}" if reason else run)
        self._jobs += len(jobs)
        self._seeds += together

    def _judge(self) -> None:
        """Closes what is decided, and prints a line for each comparison that was open."""
        compared = [(track, self._entries(track)) for track in self._tracks]
        seconds = sum(
            _mean_seconds(entries[place].runs)
            for track, entries in compared
            for place in ((0, *track.open) if track.open else ())
            if place in entries
        )
        seconds /= at_once(self._folder.jobs(), time.time())
        for track, entries in compared:
            for place in track.open:
                self._judge_one(track, place, entries, seconds)
            self._withdraw(track, entries)
            for place in track.stopped.keys() - track.told:
                track.told.add(place)
                self._say(f"{track.name(place)} stops without a verdict: {track.stopped[place]}")

    def _withdraw(self, track: _Track, entries: dict[int, Entry]) -> None:
        """Takes back the verdicts that the ledger no longer gives: the baseline diverged at a later seed."""
        for place in list(track.decided):
            entry = entries.get(place)
            if entry is not None and entry.verdict is None:
                track.decided.remove(place)
                track.stop(place, self._diverged(entry))

    def _diverged(self, entry: Entry) -> str:
        return f"{plural(entry.diverged, 'run')} in {self._ledger} diverged"

    def _judge_one(self, track: _Track, place: int, entries: dict[int, Entry], seconds: float) -> None:
        entry, base = entries.get(place), entries.get(0)
        if entry is None or base is None or not entry.paired or not entry.paired.n:
            track.stop(place, f"{self._ledger} has no pair of its runs")
            return
        run = entry.runs[0]
        sentence = finding_sentence(
            Finding(run.setting, describe_metric(run.setting.task, run.metric), entry), base.act
        )
        outlook = ""
        if entry.verdict is None:
            track.stop(place, self._diverged(entry))
        elif entry.decided and self._seeds >= self._first:
            track.decided.add(place)
        else:
            outlook = self._outlook(entry, seconds)
        self._say(f"{track.prefix}{sentence}{outlook}")

    def _outlook(self, entry: Entry, seconds: float) -> str:
        """The seeds that are missing and the time that they take; `seconds` is that of one seed."""
        missing = self._first - self._seeds  # what so few seeds say of the spread predicts nothing
        if missing <= 0:
            missing = (entry.verdict.seeds_needed or 0) - entry.verdict.n
        if missing <= 0:
            return ""
        left = self._options.max_seeds - self._seeds
        beyond = f", more than the {left} that max_seeds={self._options.max_seeds} leaves" if missing > left else ""
        return f" Expected: {missing} more, about {roughly(missing * seconds)}{beyond}."

    def _entries(self, track: _Track) -> dict[int, Entry]:
        """What the ledger says of each activation that has a finished run."""
        if not track.runs:
            return {}
        evidence = read_evidence(self._ledger)
        runs = {place: run for place in track.runs if (run := self._run(evidence, track, place))}
        if 0 not in runs:
            return {}
        base = runs[0]
        entries = compare(evidence, base.setting, base.metric, base.act, margin=self._options.margin)
        by_label = {entry.act: entry for entry in entries}
        return {place: by_label[run.act] for place, run in runs.items() if run.act in by_label}

    def _run(self, evidence: Evidence, track: _Track, place: int) -> Run | None:
        return next((run for run in evidence.runs if run.run_id == track.runs.get(place)), None)

    def _baseline_label(self) -> str | None:
        return next((entries[0].act for track in self._tracks if 0 in (entries := self._entries(track))), None)

    def _sentences(self, spent: str) -> list[str]:
        """How the sweep ended: what has no verdict and why, then decided or which budget is spent."""
        stopped = [
            f"{track.name(place)} has no verdict: {reason}"
            for track in self._tracks
            for place, reason in track.stopped.items()
        ]
        decided = sum(len(track.decided) for track in self._tracks)
        total = sum(len(track.comparison.activations) - 1 for track in self._tracks)
        if spent:
            return [
                *stopped,
                f"{decided} of {plural(total, 'comparison')} decided with {plural(self._seeds, 'seed')}; {spent}",
            ]
        count = f"{decided} of {plural(total, 'comparison')}"
        return [*stopped, f"decided: {count}, with {plural(self._seeds, 'seed')} at most"]


def _mean_seconds(runs: Sequence[Run]) -> float:
    return sum(run.wall_seconds for run in runs) / len(runs)


def _prefixes(comparisons: Sequence[Comparison]) -> list[str]:
    """For each comparison the overrides that not all have."""
    common = set.intersection(*(set(each.setting) for each in comparisons))
    words = [" ".join(line for line in each.setting if line not in common) for each in comparisons]
    return [f"{each}: " if each else "" for each in words]
