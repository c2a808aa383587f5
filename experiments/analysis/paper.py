"""The numbers that the paper itself reports, as far as they could be read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PaperResult:
    """One number with where it stands."""

    value: float
    source: str
    """Table or page of the paper, with its recipe and data."""


PAPER = "Chen and Pan, arXiv 2407.19441"

PAPER_RESULTS: dict[tuple[str, str, str], PaperResult] = {}
"""By (task, metric, activation). Empty: no number of the paper could be read; its abstract names tasks alone."""
