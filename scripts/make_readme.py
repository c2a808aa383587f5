"""Writes the results on the front page: README.md between <!-- results --> and <!-- /results -->, from the ledgers.

python scripts/make_readme.py            # rewrites README.md
python scripts/make_readme.py --check    # exit code 1 if README.md is out of date
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.report.front_page import OptionStudy, results_block, with_results
from experiments.training.job import FAILED, report_error

ROOT = Path(__file__).parent.parent
SUBJECTS = ("carelu",)
"""The activations that the sentences are about."""
STUDIES = (
    OptionStudy(
        question="Does competition from the start help?",
        ledger="results/competition/ledger.csv",
        tables="results/competition/tables/cifar100.md",
        figure="results/competition/figures/cifar100_small-trainer.selection=validation_carelu_over_alpha.svg",
        activation="carelu",
        option="act.options.alpha",
        metric="validation/top1",
    ),
)


def main() -> int:
    """Reads, writes or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md", help="the page; default: %(default)s")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is out of date")
    arguments = parser.parse_args()
    try:
        try:
            page = arguments.readme.read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(
                f"--readme {arguments.readme} cannot be read: {error.strerror}; name a Markdown file"
            ) from error
        made = with_results(page, results_block(ROOT, DEFAULT_LEDGER, STUDIES, SUBJECTS))
        if arguments.check and made != page:
            print(
                f"error: the results in {arguments.readme} are not those of the ledgers; run "
                "python scripts/make_readme.py and commit the result",
                file=sys.stderr,
            )
            return FAILED
        if not arguments.check:
            write_files({arguments.readme: made.encode()})
    except BadInput as error:
        return report_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
