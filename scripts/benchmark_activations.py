r"""Times every activation alone, at the shapes of the three networks, and writes results/benchmarks/<device>.*.

python scripts/benchmark_activations.py                                    # everything, in minutes
python scripts/benchmark_activations.py --activations carelu gelu --network resnet18 --dtype float32 --out outputs
python scripts/benchmark_activations.py --activations carelu --kernel auto torch_ops eager --out outputs
python scripts/benchmark_activations.py --activations carelu carelu_over_channel carelu_over_feature carelu_pre_norm \
    --network resnet18 --out outputs   # what competes, in both layouts
python scripts/benchmark_activations.py --render results/benchmarks/nvidia-h100.csv   # only page and figure

The files are written after each shape, so a stopped run keeps its measurements.
"""

import argparse
import os
import sys
from pathlib import Path

from experiments.benchmarking import options
from experiments.errors import unknown
from experiments.files import check_writable


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    networks, kernel = options.NETWORKS, os.environ.get("CARELU_KERNEL") or "auto"
    parser.add_argument(
        "--activations", nargs="+", metavar="NAME", help="default: all, also CAReLU over channel and feature"
    )
    parser.add_argument("--network", nargs="+", choices=networks, default=networks, help="whose shapes; default: all")
    parser.add_argument("--dtype", nargs="+", choices=options.DTYPES, help="default: all, but float16 on a CPU")
    parser.add_argument("--layout", nargs="+", choices=options.LAYOUTS, default=options.LAYOUTS, help="default: both")
    parser.add_argument("--pass", nargs="+", choices=options.DIRECTIONS, default=options.DIRECTIONS, dest="directions")
    parser.add_argument(
        "--kernel", nargs="+", default=[kernel], help=f"{', '.join(options.KERNELS)}; default: {kernel}"
    )
    options.add_common(parser)
    return parser.parse_args()


def main() -> int:
    """Measures and writes; returns the exit code."""
    arguments = _arguments()
    return options.exit_code_of(lambda: _draw(_render(arguments.render) if arguments.render else _measure(arguments)))


def _render(table: Path) -> Path:
    from experiments.benchmarking.activations_page import page
    from experiments.benchmarking.operations import Measurement
    from experiments.benchmarking.results import render_page

    print(*render_page(table, Measurement, page), sep="\n")
    return table


def _draw(table: Path) -> None:
    from experiments.benchmarking.bandwidth_figure import bandwidth_figure
    from experiments.benchmarking.operations import Measurement
    from experiments.benchmarking.results import from_csv
    from experiments.files import write_files

    figure = bandwidth_figure(from_csv(table, Measurement), table.stem)
    print(*write_files({table.with_suffix(f".{suffix}"): content for suffix, content in figure.files()}), sep="\n")


def _measure(arguments: argparse.Namespace) -> Path:
    """Returns the table that it wrote."""
    # torch is imported here, so that --help answers at once.
    from carelu import activation_names
    from experiments.benchmarking import machine
    from experiments.benchmarking.activations_page import page
    from experiments.benchmarking.operations import SITES, VARIANTS, Plan, measure
    from experiments.benchmarking.results import write_results
    from experiments.training.allocator import keep_freed_memory

    check_writable("--out", arguments.out)
    known = [*activation_names(), *VARIANTS]
    device = options.find_device(arguments.device)
    for word, names, kind in (
        *((name, known, "activation") for name in arguments.activations or []),
        *((name, options.KERNELS, "kernel") for name in arguments.kernel),
    ):
        if word not in names:
            raise unknown(kind, word, names)
    plan = Plan(
        activations=arguments.activations or known,
        kernels=arguments.kernel,
        sites=[site for site in SITES if site.network in arguments.network],
        dtypes=arguments.dtype or [name for name in options.DTYPES if device.type == "cuda" or name != "float16"],
        layouts=arguments.layout,
        directions=arguments.directions,
        rounds=arguments.rounds or options.default_rounds(device),
        least_seconds=0.002,
    )
    keep_freed_memory()
    others, table, rows = machine.OtherProcesses(), arguments.out / f"{machine.file_name(device)}.csv", []
    for of_setting in measure(plan, device, machine.labels(device), note=lambda line: print(line, file=sys.stderr)):
        rows += of_setting
        files = write_results(table, rows, machine.conditions(device, others), page)
    print(*files, sep="\n")
    return table


if __name__ == "__main__":
    sys.exit(main())
