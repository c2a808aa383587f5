"""Generates a docs page for each activation, and the picture of the front page.

python scripts/make_docs.py                # registry and results/benchmarks -> docs/activations/ (not committed)
python scripts/make_docs.py --front-page   # the comparison -> front_page.{svg,png} in its figures (committed)
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.configuration.composition import ROOT
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.report.activation_pages import pages
from experiments.report.figures.front_page import front_page
from experiments.training.job import report_error


def main() -> int:
    """Writes the files and prints their names; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--front-page", action="store_true", help="draw the picture of the front page instead")
    parser.add_argument("--ledger", type=Path, default=ROOT / DEFAULT_LEDGER, help="default: %(default)s")
    parser.add_argument("--benchmarks", type=Path, default=ROOT / "results/benchmarks", help="default: %(default)s")
    parser.add_argument(
        "--out", type=Path, help="folder of the files; default: docs/activations, or figures/ next to the ledger"
    )
    arguments = parser.parse_args()
    try:
        if arguments.front_page:
            folder = arguments.out or arguments.ledger.parent / "figures"
            files = {f"front_page.{suffix}": content for suffix, content in front_page(arguments.ledger).items()}
        else:
            folder = arguments.out or ROOT / "docs/activations"
            files = pages(arguments.benchmarks)
        written = write_files({folder / name: content for name, content in files.items()})
    except BadInput as error:
        return report_error(error)
    print("\n".join(str(file) for file in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())
