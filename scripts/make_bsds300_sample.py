"""Copies the bundled BSDS300 sample out of the full set: the first images of each part, unchanged.

python scripts/make_bsds300_sample.py ROOT

ROOT contains images/train and images/test. Writes experiments/tasks/superres/sample/{train,test}/*.jpg and
prints the checksums that experiments/tasks/superres/bsds300.py states.
"""

import argparse
import shutil
from pathlib import Path

from experiments.tasks.superres.bsds300 import SAMPLE_DIR, folder_checksum

COUNTS = {"train": 40, "test": 8}


def main() -> None:
    """Writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT", help="folder that holds images/train and images/test")
    root = Path(parser.parse_args().root)
    for split, count in COUNTS.items():
        folder = SAMPLE_DIR / split
        folder.mkdir(parents=True, exist_ok=True)
        files = sorted(root.joinpath("images", split).glob("*.jpg"))[:count]
        for file in files:
            shutil.copyfile(file, folder / file.name)
        size = sum(file.stat().st_size for file in files) / 2**20
        print(f"{folder}: {count} images, {size:.1f} MiB, SHA-256 {folder_checksum(folder)}")


if __name__ == "__main__":
    main()
