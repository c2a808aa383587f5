"""Times every activation by itself, at the shapes of the three networks, and writes results/benchmarks/<device>.*.

python scripts/benchmark_activations.py                                    # everything: minutes on a GPU, more on a CPU
python scripts/benchmark_activations.py --activations carelu gelu --network resnet18 --dtype float32
python scripts/benchmark_activations.py --activations carelu --kernel auto autograd eager --out outputs/benchmarks
python scripts/benchmark_activations.py --redraw results/benchmarks/nvidia-h100.csv    # the figure, without measuring
"""

import argparse
import shlex
import sys
from pathlib import Path

import torch

from carelu import activation_names
from experiments.allocator import keep_freed_memory
from experiments.benchmarking import machine
from experiments.benchmarking.activations_page import About, page
from experiments.benchmarking.bandwidth_figure import bandwidth_figure
from experiments.benchmarking.operations import DIRECTIONS, DTYPES, KERNELS, LAYOUTS, SITES, Measurement, Plan, measure
from experiments.benchmarking.options import check_writable, find_device, positive
from experiments.benchmarking.rows import from_csv, to_csv
from experiments.command import complain
from experiments.environment import device_name, git_state
from experiments.errors import BadInput, unknown
from experiments.report.files import write_files

NETWORKS = tuple(dict.fromkeys(site.network for site in SITES))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--activations", nargs="+", metavar="NAME", help="default: every registered one")
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS, help="whose shapes; default: all")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, help="default: all, but float16 on a CPU")
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, default=tuple(LAYOUTS), help="default: both")
    parser.add_argument("--pass", nargs="+", choices=DIRECTIONS, default=DIRECTIONS, dest="directions")
    parser.add_argument("--kernel", nargs="+", choices=KERNELS, default=("auto",), help="values of CARELU_KERNEL")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda; default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=20, help="times each is measured; default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"), help="folder; default: %(default)s")
    parser.add_argument("--redraw", type=Path, metavar="CSV", help="draw the figure beside an earlier table instead")
    return parser.parse_args()


def _plan(arguments: argparse.Namespace, device: torch.device) -> Plan:
    names = arguments.activations or activation_names()
    for name in names:
        if name not in activation_names():
            raise unknown("activation", name, activation_names())
    dtypes = arguments.dtype or [name for name in DTYPES if device.type == "cuda" or name != "float16"]
    return Plan(
        activations=names,
        kernels=arguments.kernel,
        sites=[site for site in SITES if site.network in arguments.network],
        dtypes=dtypes,
        layouts=arguments.layout,
        directions=arguments.directions,
        rounds=arguments.rounds,
        least_seconds=0.002,
    )


def main() -> int:
    """Measures and writes; returns the exit code."""
    arguments = _arguments()
    try:
        if arguments.redraw:
            figure = bandwidth_figure(from_csv(arguments.redraw, Measurement), arguments.redraw.stem)
            stem = arguments.redraw.with_suffix("")
            files = {stem.with_suffix(f".{suffix}"): content for suffix, content in figure.files()}
        else:
            files = _measured(arguments)
        print("\n".join(str(file) for file in write_files(files)))
    except BadInput as error:
        return complain(error)
    return 0


def _measured(arguments: argparse.Namespace) -> dict[Path, bytes]:
    device = find_device(arguments.device)
    check_writable(arguments.out)
    plan = _plan(arguments, device)
    keep_freed_memory()
    labels = {"device": device_name(device), "torch": torch.__version__, "git_commit": git_state()[0]}
    bystanders = machine.Bystanders()
    rows = measure(plan, device, labels, note=lambda line: print(line, file=sys.stderr))
    command = shlex.join(["python", *sys.argv])
    about = About(command, machine.cache_bytes(device), bystanders.share())
    name = machine.slug(device)
    texts = {"csv": to_csv(rows).encode(), "md": page(rows, about).encode()}
    figure = bandwidth_figure(rows, name)
    return {arguments.out / f"{name}.{suffix}": content for suffix, content in [*texts.items(), *figure.files()]}


if __name__ == "__main__":
    sys.exit(main())
