"""What the scripts of tables, figures and page share: their options, and reading a ledger to write files from it."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.analysis.evidence import Evidence, read_evidence
from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.analysis.selection import EACH, select, with_baseline
from experiments.errors import BadInput
from experiments.files import check_writable
from experiments.training.job import report_error


def parser_of(doc: str | None, out: str, contents: str) -> argparse.ArgumentParser:
    """A parser with --ledger, --out, --baseline, --subject, --recipe and --select.

    Args:
        doc: the script's docstring, shown by --help.
        out: what --out names, and its default.
        contents: what is made from the ledger, for the help of --recipe.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", type=Path, default=Path(DEFAULT_LEDGER), help="default: %(default)s")
    parser.add_argument("--out", type=Path, help=out)
    parser.add_argument("--baseline", default="relu", metavar="ACT", help="baseline activation; default: %(default)s")
    add_subject(parser)
    parser.add_argument(
        "--recipe",
        help=f"a recipe as the ledger labels it, or its name: the largest group of its runs that can be compared; "
        f"or each: {contents} of every recipe",
    )
    parser.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only runs in which a setting has a value, like trainer.epochs=4; null: the recipe's own. May be repeated",
    )
    return parser


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Adds --subject, read as `subject`: a tuple of labels, empty for all activations."""
    parser.add_argument(
        "--subject",
        action=_Labels,
        default=(),
        metavar="ACT",
        help="what findings, bold print and figures are about: a label of the ledger, or a name for it with any "
        "options; several with commas or by repeating it; default: all activations against the baseline",
    )


class _Labels(argparse.Action):
    """Collects labels, which may have commas inside brackets: carelu(alpha=2, beta=-1)."""

    def __call__(self, parser, namespace, values, option_string=None):
        labels = (label.strip() for label in re.split(r",(?![^(]*\))", values))
        found = dict.fromkeys((*getattr(namespace, self.dest), *filter(None, labels)))
        setattr(namespace, self.dest, tuple(found))


def write_from(given: argparse.Namespace, write: Callable[[Evidence], Iterable[Path]], curves: bool = False) -> int:
    """Reads a ledger, writes files from the chosen runs, prints their names, and warns of runs that are left out.

    Args:
        given: what the parser read.
        write: writes the files and returns them.
        curves: also warn of runs without a metrics.jsonl.

    Returns:
        The exit code.
    """
    try:
        if given.out:
            check_writable("--out", given.out.parent if given.out.suffix else given.out)
        evidence = select(read_evidence(given.ledger), given.recipe, given.select, getattr(given, "tuned", None))
        if given.recipe == EACH:
            evidence = with_baseline(evidence, given.baseline)
        files = list(write(evidence))
    except BadInput as error:
        return report_error(error)
    for problem in (*evidence.warnings(), *(evidence.without_metrics() if curves else ())):
        print(f"warning: {problem}", file=sys.stderr)
    print("\n".join(map(str, files)))
    return 0
