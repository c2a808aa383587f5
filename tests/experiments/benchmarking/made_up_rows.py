"""Made-up rows for the tests of pages, targets and figure."""

from dataclasses import fields
from itertools import product

from experiments.benchmarking.comparisons import Comparison
from experiments.benchmarking.machine import Conditions
from experiments.benchmarking.operations import ACCESSES, COPY, SITES, Measurement
from experiments.benchmarking.options import DIRECTIONS, LAYOUTS

CONDITIONS = Conditions("python scripts/x.py", on_gpu=False, cache_bytes=2**20, others_share=0.25)
MACHINE = {"device": "A machine", "torch": "2.0", "git_commit": "0123456789abcdef"}
RESNET = [site for site in SITES if site.network == "resnet18"]


def measurement(site, activation, ratio, direction="both", dtype="float32", layout="contiguous", kernel=""):
    mib = ACCESSES[direction] * 4 * site.sample_elements * site.size[0] / 2**20
    times = {"microseconds": 100 * mib, "microseconds_q1": 90 * mib, "microseconds_q3": 120 * mib}
    of_relu = dict.fromkeys(("relu_ratio", "relu_ratio_q1", "relu_ratio_q3"), ratio)
    setting = {"network": site.network, "shape": str(site), "dtype": dtype, "layout": layout, "direction": direction}
    chosen = {"activation": activation, "kernel": kernel, "forced_kernel": ""}
    sizes = {"copy_fraction": 0.8, "least_mib": mib, "extra_mib": 2.0, "microseconds_least": 80 * mib}
    return Measurement(**MACHINE, **chosen, **setting, rounds=5, **times, **of_relu, **sizes)


def activation_rows(kernel="cpp", dtype="float32"):
    rows = []
    for site, layout in product(RESNET, LAYOUTS):
        options = {"layout": layout, "dtype": dtype}
        rows.append(measurement(site, COPY, None, COPY, **options))
        for direction in DIRECTIONS:
            rows.append(measurement(site, "relu", 1.0, direction, **options))
            ratio = 1.0 if site is RESNET[0] else 1.2
            rows.append(measurement(site, "carelu", ratio, direction, kernel=kernel, **options))
    return rows


def comparison(**values):
    of_kind = {field.name: "" if field.type == "str" or field.type is str else 1.0 for field in fields(Comparison)}
    return Comparison(**{**of_kind, **MACHINE, "rounds": 5, **values})


def training_rows():
    run = {"task": "cifar100", "model": "resnet18", "data": "sample", "recipe": "small", "precision": "float32"}
    text = {**run, "task": "text", "model": "bert"}
    return [
        comparison(benchmark="start-up", way="help", unit="starts", step_ms=1500.0),
        comparison(benchmark="start-up", way="first step", **run, unit="starts", step_ms=12000.0),
        comparison(benchmark="augmentation", way="reference_loop", recipe="standard", unit="images"),
        comparison(benchmark="augmentation", way="suite", recipe="standard", unit="images", time_ratio=0.04),
        comparison(benchmark="reference_loop", way="reference_loop", **run, unit="images"),
        comparison(benchmark="reference_loop", way="suite", **run, unit="images", time_ratio=0.5),
        comparison(benchmark="reference_loop", way="suite", **text, unit="tokens", time_ratio=0.25),
        comparison(benchmark="activations", activation="relu", **run, unit="images"),
        comparison(
            benchmark="activations", activation="carelu", **run, unit="images", time_ratio=1.04, memory_ratio=1.5
        ),
    ]
