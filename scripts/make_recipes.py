"""Writes the learning rates that a tuning chose into configs/recipe/TASK/RECIPE/tuned/, for each model and activation.

python scripts/make_recipes.py            # from results/tuning/ledger.csv, for the recipe medium
python scripts/make_recipes.py --check    # exit code 1 if a file is not what the ledger says
"""

import argparse
import sys
from pathlib import Path

from experiments.analysis.evidence import read_evidence
from experiments.analysis.tuned_recipes import tuned_recipes
from experiments.analysis.tuning import tune
from experiments.errors import BadInput
from experiments.files import check_writable, write_files
from experiments.training.job import FAILED, report_error

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Reads, writes or compares; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", default="results/tuning/ledger.csv", help="of the tuning; default: %(default)s")
    parser.add_argument("--tuned", default="optim.optimizer.lr", help="the key that was tuned; default: %(default)s")
    parser.add_argument("--recipe", default="medium", help="the recipe that gets the values; default: %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "configs/recipe", help="folder of recipes")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is out of date")
    arguments = parser.parse_args()
    try:
        check_writable("--out", arguments.out)
        tuning = tune(read_evidence(ROOT / arguments.ledger), arguments.tuned)
        recipes = tuned_recipes(tuning, arguments.recipe, arguments.ledger)
        files = {arguments.out / path: text for path, text in recipes.items()}
        folders = {file.parent for file in files}
        left_over = {file for folder in folders for file in folder.glob("*.yaml")} - files.keys()
        if not arguments.check:
            write_files({file: text.encode() for file, text in files.items()})
        wrong = [file for file, text in files.items() if not file.exists() or file.read_text(encoding="utf-8") != text]
        for file in sorted({*wrong, *left_over}):
            print(
                f"error: {file} is not what {arguments.ledger} says; run python scripts/make_recipes.py, and delete "
                "files of models and activations that it has no runs of",
                file=sys.stderr,
            )
        return FAILED if wrong or left_over else 0
    except BadInput as error:
        return report_error(error)


if __name__ == "__main__":
    sys.exit(main())
