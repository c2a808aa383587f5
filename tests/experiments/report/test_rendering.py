"""Tables as Markdown, CSV and LaTeX; the LaTeX compiles where pdflatex is at hand."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.report.latex import escape, to_latex
from experiments.report.rendering import to_csv, to_markdown, write_tables
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table
from tests.conftest import ROOT
from tests.experiments.ledgers import grid, row, tables_of

STRANGE = r"α·β ± 2 × 10² − 50 % of $x_1$ & {a} # ~ ^ \ < > | Ÿ° AMD® µ 漢"


def small_table(**fields):
    columns = (
        Column("activation", "activation", (RESULT, CSV), numeric=False),
        Column("mean", "top-1, %", (RESULT, CSV)),
        Column("sd", "sd"),
    )
    rows = (
        (Cell("relu", "relu"), Cell("40.0 ± 1.0", 40.0), Cell("1.0", 1 / 3)),
        (Cell("carelu_l1", "carelu_l1"), Cell("42.0", 42.0, stands=True), Cell("–")),
    )
    filled = {
        "name": "small",
        "title": "A table",
        "caption": "What it is.",
        "columns": columns,
        "blocks": (Block("First", "The setting.", rows, ("A note.",)),),
        "notes": ("How to read.",),
        "commands": ("make it", "run it"),
        **fields,
    }
    return Table(**filled)


def test_markdown_has_caption_table_notes_and_commands_in_this_order():
    assert to_markdown(small_table(warnings=("Row 3 is left out.",))) == (
        "# A table\n\nWhat it is.\n\n> Warning: Row 3 is left out.\n\n## First\n\nThe setting.\n\n"
        "| activation | top-1, % |\n| --- | ---: |\n| relu | 40.0 ± 1.0 |\n| carelu_l1 | **42.0** |\n\n"
        "- A note.\n\n## How to read it\n\n- How to read.\n\n"
        "Made by\n\n```bash\nmake it\n```\n\nfrom the runs of\n\n```bash\nrun it\n```\n"
    )


def test_a_bar_in_a_cell_does_not_part_it_in_markdown():
    table = small_table(blocks=(Block("b", "c", ((Cell("a|b", "a|b"), Cell("*", 1.0), Cell("")),)),))
    assert r"| a\|b | \* |" in to_markdown(table)


def test_csv_has_one_header_row_and_every_raw_value():
    assert to_csv(small_table()) == "activation,mean,sd\nrelu,40,0.3333333333\ncarelu_l1,42,\n"


def test_the_csv_of_a_task_has_a_row_for_each_activation_and_setting(tmp_path):
    rows = [*grid(["relu", "carelu"], range(3), ["text"], data="sst2-dev"), *grid(["relu"], range(3), ["text"])]
    text = to_csv(tables_of(tmp_path / "ledger.csv", rows)["text"])
    read = list(csv.DictReader(text.splitlines()))
    assert [(each["data"], each["activation"]) for each in read] == [
        ("sst2-dev", "relu"),
        ("sst2-dev", "carelu"),
        ("text", "relu"),
    ]
    assert all(None not in each and None not in each.values() for each in read)


def test_latex_escapes_what_tex_would_take_for_its_own():
    assert escape("α, β: ±1 × −2_3 50 %") == r"$\alpha$, $\beta$: $\pm$1 $\times$ $-$2\_3 50 \%"
    assert escape("\\{a}") == r"\textbackslash{}\{a\}"
    assert escape("é漢") == "e?"


def test_latex_marks_what_stands_and_carries_its_commands_as_comments():
    text = to_latex(small_table())
    assert r"carelu\_l1 & {\bfseries\boldmath 42.0} \\" in text
    assert "% Made by: make it\n% from the runs of:\n%   run it\n" in text


def test_equal_ledgers_give_equal_bytes(tmp_path):
    tables = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu"], range(3), ["cifar100", "text"]))
    again = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu"], range(3), ["cifar100", "text"]))
    first, second = (write_tables(list(each.values()), tmp_path / name) for each, name in ((tables, "a"), (again, "b")))
    assert [file.name for file in first[:3]] == ["cifar100.md", "cifar100.tex", "cifar100.csv"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


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
