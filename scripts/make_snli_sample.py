"""Draws the bundled SNLI sample: the first pairs of each class.

python scripts/make_snli_sample.py ROOT

ROOT holds train*.parquet, validation.parquet and test.parquet with the columns of stanfordnlp/snli.
Writes experiments/tasks/text/snli_sample/{train,validation,test}.parquet, the pairs in the order of the files.
"""

import argparse
import hashlib
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from experiments.tasks.text.dataset import SAMPLE_DIR

PER_CLASS = {"train": 1000, "validation": 167, "test": 167}
CLASSES = 3


def first_of_each_class(table: pa.Table, per_class: int) -> pa.Table:
    """The first `per_class` rows of each class, in the order of `table`."""
    left, rows = dict.fromkeys(range(CLASSES), per_class), []
    for row, label in enumerate(table["label"].to_pylist()):
        if left.get(label, 0):
            left[label] -= 1
            rows.append(row)
    return table.take(rows)


def main() -> None:
    """Writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT", type=Path, help="folder that holds SNLI as Parquet files")
    root = parser.parse_args().root
    SAMPLE_DIR.mkdir(exist_ok=True)
    columns = pa.schema([("premise", pa.string()), ("hypothesis", pa.string()), ("label", pa.int8())])
    for part, per_class in PER_CLASS.items():
        source = sorted(root.glob(f"{part}*.parquet"))[0]
        sample = first_of_each_class(parquet.read_table(source, columns=columns.names), per_class).cast(columns)
        file = SAMPLE_DIR / f"{part}.parquet"
        parquet.write_table(sample, file, compression="zstd", compression_level=19)
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        print(f"{file}: {sample.num_rows} pairs, {file.stat().st_size / 2**10:.0f} KiB, SHA-256 {checksum}")


if __name__ == "__main__":
    main()
