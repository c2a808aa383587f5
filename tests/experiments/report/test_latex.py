"""Tables as LaTeX, which compile where pdflatex is at hand."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.report.latex import escape, to_latex
from experiments.report.rendering import write_tables
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, row, small_table, tables_of

STRANGE = r"α·β ± 2 × 10² − 50 % of $x_1$ & {a} # ~ ^ \ < > | Ÿ° AMD® µ 漢"


def test_latex_escapes_what_tex_would_take_for_its_own():
    assert escape("α, β: ±1 × −2_3 50 %") == r"$\alpha$, $\beta$: $\pm$1 $\times$ $-$2\_3 50 \%"
    assert escape("P(|·| ≤ δ)") == r"P($|$$\cdot$$|$ $\leq$ $\delta$)"
    assert escape("\\{a}") == r"\textbackslash{}\{a\}"
    assert escape("é漢") == "e?"
    assert escape("by `a_b.py`: 2") == r"by \texttt{a\_b.py}: 2"


def test_latex_has_bold_cells_and_carries_its_commands_as_comments():
    text = to_latex(small_table())
    assert r"carelu\_l1 & {\bfseries\boldmath 42.0} \\" in text
    assert "% Made by: make it\n% from the runs of (at the commits named above" in text and ":\n%   run it\n" in text


def test_a_caption_says_how_to_read_the_table_and_its_origin_is_a_comment():
    text = to_latex(small_table())
    assert r"\caption{First. What it is.}" in text
    assert "% The setting.\n\\begin{table}" in text


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """A folder of every kind of table: simulated ones with all that can be odd, and the published ones."""
    folder = tmp_path_factory.mktemp("latex")
    acts = ["relu", "prelu", "gelu", "swish", "carelu", 'carelu(over="channel", gain=1.5, competition="l1")']
    rows = grid(acts, range(3), ["cifar100", "superres", "text"], {"carelu": 12})
    rows += grid(["relu", "carelu"], range(1), ["text"], data=STRANGE, device=STRANGE)
    rows += [row("mish", 0, status="diverged"), row("elu", 0, value="?")]
    tuned = [
        {**each, "recipe": f"small(optim.optimizer.lr={rate})", "validation/top1": each["top1"] + rate}
        for each in grid(["relu", "carelu"], range(2))
        for rate in (0.1, 0.2)
    ]
    write_tables(list(tables_of(folder / "ledger.csv", rows).values()), folder / "a")
    write_tables(list(tables_of(folder / "tuned.csv", tuned, tuned="optim.optimizer.lr").values()), folder / "b")
    return [*sorted(folder.glob("?/*.tex")), *sorted((ROOT / "results").rglob("*.tex"))]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_table_compiles_in_one_document_and_none_is_wider_than_the_text(documents, tmp_path):
    inputs = "".join(f"\\input{{{Path(file).as_posix()}}}\\clearpage\n" for file in documents)
    preamble = "\\documentclass{article}\n\\usepackage[utf8]{inputenc}\n\\usepackage{booktabs,graphicx}\n"
    (tmp_path / "all.tex").write_text(f"{preamble}\\begin{{document}}\n{inputs}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").exists()
    assert not re.findall(r"Overfull \\hbox \((\d{2,})\.\d+pt", done.stdout)
