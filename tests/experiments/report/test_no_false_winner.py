"""What must not be printed in bold or called better, wherever verdicts are shown."""

import re

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.front_page import results_block
from experiments.report.latex import to_latex
from experiments.report.rendering import to_markdown
from experiments.report.tables import build_tables
from tests.conftest import ROOT
from tests.experiments.ledgers import row, write

GAINS = (0.8, 0.9, 1.0, 0.9, 0.9, 0.8)


def rows_of(**gains):
    """Six runs of relu, and of activations that are so much above it at each seed."""
    rows = [row("relu", seed, 40.0 + seed) for seed in range(6)]
    return rows + [
        row(act, seed, 40.0 + seed + gain) for act, of_act in gains.items() for seed, gain in enumerate(of_act)
    ]


def shown(folder, rows):
    """The lines of all rows of tables in Markdown, in LaTeX and on the front page."""
    tables = build_tables(read_evidence(write(folder / "results" / "ledger.csv", rows)))
    texts = [write_out(table) for table in tables for write_out in (to_markdown, to_latex)]
    grid = [line.strip("| ").split(" | ") for line in results_block(folder, "results/ledger.csv").splitlines()]
    head, _, *settings = [cells for cells in grid if len(cells) > 2]
    of_page = [f"| {name} | {cell}" for cells in settings for name, cell in zip(head[1:], cells[2:], strict=True)]
    lines = [*(line for text in texts for line in text.splitlines()), *of_page]
    return [line for line in lines if line.startswith("|") or line.rstrip().endswith("\\\\")]


def in_bold(lines):
    return [line for line in lines if "**" in line or "textbf" in line]


def test_where_the_baseline_diverged_on_some_seeds_nobody_wins(tmp_path):
    rows = rows_of(carelu=GAINS, gelu=[2 * gain for gain in GAINS])
    assert in_bold(shown(tmp_path / "before", rows))
    rows[5] = row("relu", 5, status="diverged")
    lines = shown(tmp_path / "after", rows)
    assert in_bold(lines) == []
    assert not any(re.search(r"(?<!P\()\bbetter\b", line) for line in lines)


@pytest.mark.parametrize("by", [1.0, 0.01])
def test_an_activation_that_is_worse_is_never_bold(tmp_path, by):
    lines = shown(tmp_path, rows_of(gelu=[-by * gain for gain in GAINS], carelu=GAINS))
    gelu = [line for line in lines if "GELU" in line]
    assert any("worse" in line for line in gelu)
    assert in_bold(gelu) == []
    assert in_bold([line for line in lines if "CAReLU" in line])


def test_a_constant_difference_is_judged_and_counted_among_the_comparisons(tmp_path):
    (line, *_) = [each for each in shown(tmp_path, rows_of(gelu=[0.75] * 6, carelu=GAINS)) if "GELU" in each]
    assert "**better**" in line and "[+0.75, +0.75]" in line


def test_no_test_takes_seeds_for_independent_blocks():
    sources = [file for folder in ("experiments", "scripts") for file in (ROOT / folder).rglob("*.py")]
    named = [file.name for file in sources if re.search("friedman|nemenyi", file.read_text(encoding="utf-8"), re.I)]
    assert len(sources) > 100 and named == []
