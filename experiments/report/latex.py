"""A table as LaTeX that needs no packages but booktabs and graphicx, and compiles with pdflatex."""

import re
import unicodedata

from experiments.report.table import RESULT, RUNS_OF, STATISTICS, Block, Cell, Table

_WRITTEN = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "δ": r"$\delta$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
    "–": "--",
    "—": "---",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "½": r"$\frac{1}{2}$",
    "²": "$^2$",
    "ⁿ": "$^n$",
    "°": r"$^\circ$",
    "®": r"\textregistered{}",
    "™": r"\texttrademark{}",
}


def to_latex(table: Table) -> str:
    r"""One float a block, for \input; the commands are in comments on top."""
    own, runs = table.commands[:1], table.commands[1:]
    head = [
        f"% {table.title}",
        *(f"% Made by: {command}" for command in own),
        *([f"% {RUNS_OF}:"] if runs else []),
        *(f"%   {command}" for command in runs),
        "% Needs \\usepackage{booktabs,graphicx}.",
    ]
    floats = [_float(table, number, block) for number, block in enumerate(table.blocks, start=1)]
    return "\n".join([*head, *floats]) + "\n"


def _float(table: Table, number: int, block: Block) -> str:
    """A block; the first one says how to read the columns, the others refer to it. Its origin is a comment."""
    label = f"tab:{table.name}"
    first = number == 1
    caption = [f"{block.title or table.title}.", *([table.caption] if first else [])]
    legend = table.notes if first else (f"Columns as in the first table of {table.title}.",)
    lines = [
        *([f"% {block.caption}"] if block.caption else []),
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{4pt}",
        f"  \\caption{{{escape(' '.join(caption))}}}",
        f"  \\label{{{label if first else f'{label}-{number}'}}}",
        _tabular(table, block, RESULT),
    ]
    if table.printed(block, STATISTICS):
        lines += ["", r"  \medskip", _tabular(table, block, STATISTICS)]
    notes = " ".join(escape(note) for note in (*(table.warnings if first else ()), *block.notes, *legend))
    lines += [
        "",
        r"  \smallskip",
        f"  \\parbox{{\\linewidth}}{{\\scriptsize {notes}}}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _tabular(table: Table, block: Block, view: str) -> str:
    places = table.places(view)
    alignment = "".join("r" if table.columns[place].numeric else "l" for place in places)
    rows = [
        [escape(table.columns[place].title) for place in places],
        *([_cell(cell) for cell in row] for row in table.printed(block, view)),
    ]
    head, *body = (f"    {' & '.join(row)} \\\\" for row in rows)
    return "\n".join(
        [
            # A table that is wider than the text is made as wide as the text.
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            f"  \\begin{{tabular}}{{{alignment}}}",
            r"    \toprule",
            head,
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}}",
        ]
    )


def _cell(cell: Cell) -> str:
    # \boldmath, since the sign of a difference is set in mathematics.
    return rf"{{\bfseries\boldmath {escape(cell.text)}}}" if cell.bold and cell.text else escape(cell.text)


def escape(text: str) -> str:
    """`text` as LaTeX source, with `code` in its own type.

    Characters outside pdflatex's set lose their accents or become question marks.
    """
    source = "".join(_WRITTEN.get(character) or _plain(character) for character in text)
    return re.sub("`([^`]+)`", r"\\texttt{\1}", source)


def _plain(character: str) -> str:
    if character.isascii():
        return character
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
