"""Rebuilds the ledger of a checkout from its run directories and lists the runs."""

import argparse
import sys
from pathlib import Path

from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.row import to_text


def main() -> None:
    """Rebuilds and lists."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-root", type=Path, default=Path("outputs"), help="folder of the runs")
    output_root = parser.parse_args().output_root
    try:
        rows, problems = ledger.rebuild(output_root)
    except BadInput as error:
        sys.exit(f"error: {error}")
    for row in rows:
        print(f"{row.run_id:<45} {row.status:<9} {row.headline_metric} {to_text(row.headline_value)}")
    for problem in problems:
        print(f"note: {problem}")
    print(f"{output_root / 'ledger.csv'}: {len(rows)} runs")


if __name__ == "__main__":
    main()
