"""Exports the model of a trained run for use elsewhere.

python scripts/export.py outputs/cifar100/small/carelu/s0-1a2b3c4d5e --safetensors
python scripts/export.py RUN --onnx model.onnx
"""

import argparse
import sys
from pathlib import Path

from experiments.errors import BadInput
from experiments.inference.export import write_onnx, write_safetensors
from experiments.inference.trained_run import load_run
from experiments.training.job import report_error

_IN_RUN = Path()
"""Stands for the folder of the run."""


def main() -> int:
    """Loads and writes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    where = {"nargs": "?", "type": Path, "const": _IN_RUN, "metavar": "FILE"}
    parser.add_argument("--safetensors", **where, help="the weights; default: model.safetensors in the run's folder")
    parser.add_argument("--onnx", **where, help="the computation; default: model.onnx in the run's folder")
    given = parser.parse_args()
    wanted = {"safetensors": (given.safetensors, write_safetensors), "onnx": (given.onnx, write_onnx)}
    wanted = {kind: each for kind, each in wanted.items() if each[0] is not None}
    if not wanted:
        parser.error("name a format: --safetensors, --onnx or both")
    try:
        run = load_run(given.run, "cpu")
        for kind, (file, write) in wanted.items():
            print(write(run, run.folder / f"model.{kind}" if file == _IN_RUN else file))
    except BadInput as error:
        return report_error(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
