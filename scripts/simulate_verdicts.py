"""Simulates verdicts whose seeds are added until they decide, and prints tables in Markdown.

python scripts/simulate_verdicts.py
python scripts/simulate_verdicts.py --samples 20000 --most 40

In units of the standard deviation of the paired differences: half the width of the interval by pairs of runs, and how
often a verdict is right, is wrong and takes how many pairs, beside a t test with a number of pairs fixed in advance;
and what it costs and gives to have more pairs before the first look.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.analysis.verdict import LEVEL, half_width

FIRST = 4
"""Pairs at which the first look is taken."""

LATER = (5, 6, 8)
"""Pairs at which it may be taken instead."""

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda generator, shape: generator.normal(0, 1, shape),
    "uniform": lambda generator, shape: generator.uniform(-math.sqrt(3), math.sqrt(3), shape),
    "skewed (gamma, shape 4)": lambda generator, shape: (generator.gamma(4, 1, shape) - 4) / 2,
    "very skewed (exponential)": lambda generator, shape: generator.exponential(1, shape) - 1,
    "bimodal (1 or −1)": lambda generator, shape: generator.choice([-1.0, 1.0], shape),
}
"""Differences with mean 0 and standard deviation 1."""

CASES = [
    *((name, 0.0, 1.5) for name in DISTRIBUTIONS),
    ("normal", 0.0, 2.0),
    *((name, truth, 1.5) for truth in (1.0, 2.0) for name in DISTRIBUTIONS),
]
"""(distribution, true difference, margin), the numbers in standard deviations."""


@dataclass(frozen=True)
class Rates:
    """Shares of the simulated comparisons, and their pairs on average."""

    different: float
    """Called better or worse."""
    equivalent: float
    undecided: float
    missed: float
    """In which the interval missed the true difference at some look."""
    pairs: float


def simulate(differences: np.ndarray, truth: float, margin: float, first: int = FIRST) -> Rates:
    """Adds pairs to each row of differences until its verdict is there, or the row ends."""
    samples, most = differences.shape
    word, missed, pairs = np.full(samples, "undecided", dtype="U10"), np.zeros(samples, bool), np.full(samples, most)
    running = np.ones(samples, bool)
    for n in range(first, most + 1):
        mean, sd = differences[:, :n].mean(axis=1), differences[:, :n].std(axis=1, ddof=1)
        low, high = (mean + side * half_width(n) * sd / math.sqrt(n) for side in (-1, 1))
        missed |= running & ((truth < low) | (truth > high))
        different = running & ((low > 0) | (high < 0))
        equivalent = running & ~different & (-margin < low) & (high < margin)
        word[different], word[equivalent] = "different", "equivalent"
        pairs[different | equivalent] = n
        running &= ~(different | equivalent)
    shares = {each: float(np.mean(word == each)) for each in ("different", "equivalent", "undecided")}
    return Rates(**shares, missed=float(missed.mean()), pairs=float(pairs.mean()))


def t_test(differences: np.ndarray, margin: float, equivalence: bool) -> float:
    """Share of the rows that a paired t test, or two one-sided tests of equivalence, decides at its fixed pairs."""
    n = differences.shape[1]
    mean, error = differences.mean(axis=1), differences.std(axis=1, ddof=1) / math.sqrt(n)
    if equivalence:
        return float(np.mean(np.abs(mean) + stats.t.ppf(1 - LEVEL, n - 1) * error < margin))
    return float(np.mean(np.abs(mean) > stats.t.ppf(1 - LEVEL / 2, n - 1) * error))


def false_findings_with_t(differences: np.ndarray, first: int) -> float:
    """Share of the rows that a t test calls different at one look or another."""
    looks = [np.abs(differences[:, :n].mean(axis=1)) * math.sqrt(n) for n in range(first, differences.shape[1] + 1)]
    found = np.zeros(len(differences), bool)
    for n, scaled in enumerate(looks, start=first):
        found |= scaled > stats.t.ppf(1 - LEVEL / 2, n - 1) * differences[:, :n].std(axis=1, ddof=1)
    return float(found.mean())


def half_width_table() -> str:
    """Half the width of the 95 % interval in standard errors, by pairs and by the comparisons that share the level."""
    counts = (1, 2, 4, 9)
    heads = ["pairs", "1 comparison", *(f"{count} comparisons" for count in counts[1:]), "t interval, pairs fixed"]
    rows = []
    for n in (3, 4, 5, 6, 8, 10, 15, 20, 30):
        widths = [half_width(n, LEVEL / count) for count in counts]
        cells = ["no end" if math.isinf(width) else f"{width:.1f}" for width in widths]
        rows.append([str(n), *cells, f"{stats.t.ppf(1 - LEVEL / 2, n - 1):.1f}"])
    return _markdown(heads, rows)


def rates_table(samples: int, most: int) -> str:
    """Right and wrong verdicts of each case, and a t test with as many pairs, fixed in advance."""
    heads = ["differences", "true difference", "δ", "better or worse", "equivalent", "undecided", "interval missed"]
    rows = []
    for place, (name, truth, margin) in enumerate(CASES):
        differences = truth + DISTRIBUTIONS[name](np.random.default_rng(place), (samples, most))
        rates = simulate(differences, truth, margin)
        fixed = t_test(differences[:, : round(rates.pairs)], margin, equivalence=truth == 0)
        shares = (rates.different, rates.equivalent, rates.undecided, rates.missed)
        percentages = [f"{100 * share:.1f} %" for share in shares]
        rows.append(
            [name, f"{truth:g} sd", f"{margin:g} sd", *percentages, f"{rates.pairs:.1f}", f"{100 * fixed:.1f} %"]
        )
    return _markdown([*heads, "pairs on average", "t test with these pairs"], rows)


def first_look_table(samples: int, most: int) -> str:
    """How often the interval misses the true difference, and the pairs on average, by the pairs of the first look."""
    firsts = (FIRST, *LATER)
    heads = ["differences", "true difference", "δ", *(f"first look at {first}" for first in firsts)]
    rows = []
    chosen = [*((name, 0.0, 1.5) for name in DISTRIBUTIONS), *(("normal", truth, 1.5) for truth in (2.0, 4.0))]
    for place, (name, truth, margin) in enumerate(chosen):
        differences = truth + DISTRIBUTIONS[name](np.random.default_rng(place), (samples, most))
        found = [simulate(differences, truth, margin, first) for first in firsts]
        cells = [f"{100 * each.missed:.1f} %, {each.pairs:.1f} pairs" for each in found]
        rows.append([name, f"{truth:g} sd", f"{margin:g} sd", *cells])
    return _markdown(heads, rows)


def _markdown(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---", *["---:"] * (len(heads) - 1)], *rows])


def main() -> int:
    """Prints the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000, help="simulated comparisons a row; default: %(default)s")
    parser.add_argument("--most", type=int, default=20, help="pairs at most in each; default: %(default)s")
    arguments = parser.parse_args()
    if arguments.samples < 1 or arguments.most < max(LATER):
        parser.error(f"--samples takes 1 or more, and --most takes {max(LATER)} or more")
    normal = DISTRIBUTIONS["normal"](np.random.default_rng(0), (arguments.samples, arguments.most))
    tables = half_width_table(), *(make(arguments.samples, arguments.most) for make in (rates_table, first_look_table))
    print(*tables, sep="\n\n")
    rate = 100 * false_findings_with_t(normal, first=3)
    print(f"\nA t test looked at after each pair from 3 to {arguments.most} finds a difference of 0 in {rate:.1f} %.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
