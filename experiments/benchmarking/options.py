"""The options of both benchmarks, and their accepted values.

torch is imported only to find a device, so that `--help` and errors are shown at once.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.configuration.composition import options_of
from experiments.configuration.task_spec import TORCHVISION, spec_of
from experiments.errors import BadInput
from experiments.training.job import report_error

if TYPE_CHECKING:
    import torch

NETWORKS = ("resnet18", "edsr", "bert", "bilstm")
DTYPES = ("float32", "bfloat16", "float16")
LAYOUTS = ("contiguous", "channels_last")
DIRECTIONS = ("forward", "backward", "both")
KERNELS = ("auto", "eager", "torch_ops", "cpp", "triton")
"""Accepted by `--kernel`; all but "auto" are values of CARELU_KERNEL."""
TASKS = tuple(task for task in options_of("task") if spec_of(task).benchmark)
"""The tasks whose speed can be measured."""
BENCHMARKS = {
    "start-up": TASKS,
    "augmentation": tuple(task for task in TASKS if spec_of(task).benchmark.reference_loop == TORCHVISION),
    "reference_loop": tuple(task for task in TASKS if spec_of(task).benchmark.reference_loop),
    "activations": TASKS,
}
"""The benchmarks of training, and the tasks that have each."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that both benchmarks have."""
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda; default: %(default)s")
    parser.add_argument("--rounds", type=positive, help="how often each is measured; default: 5 on a CPU, 20 on a GPU")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder; default: %(default)s")
    parser.add_argument("--render", type=Path, metavar="CSV", help="only render the page of this table")


def default_rounds(device: "torch.device") -> int:
    """The default of `--rounds`."""
    return 20 if device.type == "cuda" else 5


def positive(word: str) -> int:
    """A whole number from 1 on, as an argparse type."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not accepted; accepted: a whole number from 1 on")
    return int(word)


def find_device(word: str) -> "torch.device":
    """The device that `--device` names; "auto" is CUDA where there is one, else the CPU.

    Raises:
        BadInput: it is not available on this machine.
    """
    import torch

    cuda = torch.cuda.is_available()
    if word == "auto":
        word = "cuda" if cuda else "cpu"
    here = ["cpu", *(["cuda"] if cuda else [])]
    if word not in here:
        raise BadInput(f"--device={word} is not available on this machine; accepted here: {', '.join(['auto', *here])}")
    return torch.device(word)


def exit_code_of(work: Callable[[], None]) -> int:
    """Runs a benchmark; errors become one line."""
    try:
        work()
    except BadInput as error:
        return report_error(error)
    except KeyboardInterrupt:
        print("stopped; what was measured is written", file=sys.stderr)
        return 130
    return 0
