"""Copies finished runs into the committed evidence.

Their rows go into OUT/ledger.csv; metrics, configurations, environments and predictions, and the pictures of seed 0,
into the folders next to it.

python scripts/publish_results.py task=cifar100 recipe=small     # runs whose columns have these values
python scripts/publish_results.py --restore                      # back: published runs count as done under outputs
"""

import argparse
import sys
from pathlib import Path

from experiments.errors import BadInput
from experiments.record.publication import publish, restore


def main() -> None:
    """Publishes or restores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wanted", nargs="*", metavar="COLUMN=VALUE", help="a ledger column and the value to choose")
    parser.add_argument("--output-root", type=Path, default=Path("outputs"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=Path("results/comparison"), help="folder of the evidence")
    parser.add_argument("--allow-dirty", action="store_true", help="also runs of code that was not committed")
    parser.add_argument("--restore", action="store_true", help="make the run directories of OUT/ledger.csv again")
    arguments = parser.parse_args()
    if bool(arguments.wanted) == arguments.restore:
        parser.error("name the runs by COLUMN=VALUE, or pass --restore alone")
    malformed = [word for word in arguments.wanted if "=" not in word]
    if malformed:
        parser.error(f"{malformed[0]!r} is not COLUMN=VALUE")
    wanted = dict(word.split("=", 1) for word in arguments.wanted)
    try:
        if arguments.restore:
            done = restore(arguments.out / "ledger.csv", arguments.output_root)
        else:
            done = publish(arguments.output_root, arguments.out, wanted, arguments.allow_dirty)
    except BadInput as error:
        sys.exit(f"error: {error}")
    print("\n".join(done))


if __name__ == "__main__":
    main()
