"""Simulates the interval of a difference for new seeds and a new test set, and prints its coverage in Markdown.

python scripts/simulate_examples.py
python scripts/simulate_examples.py --samples 20000

Two activations are trained with the same seeds and tested on the same examples, drawn anew in each comparison.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from experiments.analysis.examples import decompose
from experiments.analysis.statistics import LEVEL

Draw = Callable[[np.random.Generator, int, int], tuple[np.ndarray, float]]
"""(generator, seeds, examples) → (differences seeds × examples, the true difference)."""


def continuous(seed: float, example: float, rest: float, skewed: bool = False) -> Draw:
    """Differences of PSNR in dB: a random part of each seed, of each image and of each pair of them, by their sd."""

    def draw(generator: np.random.Generator, seeds: int, examples: int) -> tuple[np.ndarray, float]:
        of_images = generator.exponential(size=examples) - 1 if skewed else generator.normal(size=examples)
        parts = seed * generator.normal(size=(seeds, 1)), rest * generator.normal(size=(seeds, examples))
        return parts[0] + example * of_images + parts[1], 0.0

    return draw


def binary(advantage: float, taste: float, run: float) -> Draw:
    """Differences of correctness in points: right where a normal score is positive.

    Args:
        advantage: how much the scores of the activation are above those of the baseline.
        taste: sd of what an example has for the activation, beyond its difficulty of sd 1.5.
        run: sd that a run gives to all its scores; each score has further noise of sd 0.5.
    """
    easiness, difficulty, noise = 0.3, 1.5, 0.5

    def draw(generator: np.random.Generator, seeds: int, examples: int) -> tuple[np.ndarray, float]:
        shared = easiness + difficulty * generator.normal(size=examples)

        def right(of_activation: np.ndarray) -> np.ndarray:
            scores = shared + of_activation + run * generator.normal(size=(seeds, 1))
            return scores + noise * generator.normal(size=(seeds, examples)) > 0

        treated = right(advantage + taste * generator.normal(size=examples))
        return 100.0 * (treated.astype(float) - right(np.zeros(examples))), truth

    spread = difficulty**2 + run**2 + noise**2
    above, below = (easiness + advantage) / math.sqrt(spread + taste**2), easiness / math.sqrt(spread)
    truth = 100 * float(stats.norm.cdf(above) - stats.norm.cdf(below))
    return draw


SAMPLES = 4000
"""Simulated comparisons a row of the documentation."""


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    name: str
    draw: Draw
    seeds: int
    examples: int


_IMAGES = "PSNR; images differ more than seeds", continuous(0.002, 0.05, 0.05)
_BOTH = "PSNR; seeds and images both count", continuous(0.02, 0.1, 0.05)
_SEEDS = "PSNR; seeds differ more than images", continuous(0.02, 0.02, 0.05)
_SKEWED = "PSNR; images differ most, skewed", continuous(0.002, 0.05, 0.02, skewed=True)
_CORRECT = "correct; examples differ in taste", binary(0.05, 0.3, 0.05)
_NOISY = "correct; seeds differ most", binary(0.0, 0.1, 0.2)
_SAME = "correct; no taste, no difference", binary(0.0, 0.0, 0.05)

CASES = [
    *(Case(*_IMAGES, seeds, images) for seeds, images in ((4, 14), (4, 100), (8, 100))),
    *(Case(*_BOTH, seeds, images) for seeds, images in ((4, 14), (4, 100), (8, 100))),
    *(Case(*_SEEDS, seeds, images) for seeds, images in ((4, 100), (8, 100))),
    *(Case(*_SKEWED, 8, images) for images in (5, 14, 100)),
    *(Case(*_CORRECT, seeds, examples) for seeds, examples in ((4, 100), (4, 1000), (8, 1000))),
    *(Case(*which, 4, 1000) for which in (_NOISY, _SAME)),
]


def coverage(case: Case, samples: int, start: int) -> tuple[float, float, float]:
    """(how often the interval holds the true difference, its mean half width, how often the t interval over seeds)."""
    held, widths, alone = 0, 0.0, 0
    quantile = stats.t.ppf(1 - LEVEL / 2, case.seeds - 1)
    generator = np.random.default_rng(start)
    for _ in range(samples):
        differences, truth = case.draw(generator, case.seeds, case.examples)
        found = decompose(differences)
        held += found.low <= truth <= found.high
        widths += (found.high - found.low) / 2
        alone += abs(found.difference - truth) <= quantile * found.seed_error
    return held / samples, widths / samples, alone / samples


def table_row(place: int, samples: int) -> str:
    """The case at `place` of `CASES`, with its coverage."""
    case = CASES[place]
    held, width, alone = coverage(case, samples, place)
    shown = f"{width:.3f} dB" if case.name.startswith("PSNR") else f"{width:.1f} points"
    return _line([case.name, str(case.seeds), f"{case.examples:,}", f"{held:.1%}", shown, f"{alone:.1%}"])


def coverage_table(samples: int) -> str:
    """Every case with its coverage."""
    heads = ["results", "seeds", "examples", "coverage", "half width", "t interval over seeds alone"]
    rows = [table_row(place, samples) for place in range(len(CASES))]
    return "\n".join([_line(heads), _line(["---", *["---:"] * (len(heads) - 1)]), *rows])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('%', ' %') for cell in cells)} |"


def main() -> int:
    """Prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help="simulated comparisons a row; default: %(default)s"
    )
    arguments = parser.parse_args()
    if arguments.samples < 1:
        parser.error("--samples takes 1 or more")
    print(coverage_table(arguments.samples))
    return 0


if __name__ == "__main__":
    sys.exit(main())
