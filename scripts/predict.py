"""Lets a trained run answer for files of your own: the class of a picture or a text, or an enlarged picture.

python scripts/predict.py outputs/cifar100/small/carelu/s0-1a2b3c4d5e cat.png dog.jpg
python scripts/predict.py RUN texts.txt              # one text a line; a pair with a tab between
python scripts/predict.py RUN photo.png --out large  # super-resolution writes large/photo_x2.png
"""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import BadInput
from experiments.files import write_files
from experiments.inference.trained_run import load_run
from experiments.tasks.contract import Answer
from experiments.training.job import report_error


def as_csv(answers: Sequence[Answer]) -> bytes:
    """A file of the answers, one a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["example", "answer", "probability"])
    writer.writerows([each.example, each.answer, each.probability] for each in answers)
    return text.getvalue().encode()


def main() -> int:
    """Loads, answers and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures, or .txt, CSV or Parquet files")
    parser.add_argument(
        "--out", type=Path, default=Path("predictions"), help="folder for pictures; default: predictions"
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the answers to a file")
    parser.add_argument("--device", help="like cpu or cuda; default: that of the run where it is here")
    given = parser.parse_args()
    try:
        run = load_run(given.run, given.device)
        with run.evaluating():
            answers = run.task.predict(run.model, given.files, given.out)
        if given.csv:
            write_files({given.csv: as_csv(answers)})
    except BadInput as error:
        return report_error(error)
    for each in answers:
        sure = "" if each.probability is None else f"  {100 * each.probability:.1f} %"
        print(f"{each.example}  {each.answer}{sure}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
