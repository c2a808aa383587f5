"""The pages, the targets and the figure, from rows that are made up."""

from dataclasses import fields, replace
from itertools import product

import pytest

from experiments.benchmarking import activations_page, training_page
from experiments.benchmarking.bandwidth_figure import bandwidth_figure
from experiments.benchmarking.comparisons import Comparison
from experiments.benchmarking.machine import About
from experiments.benchmarking.operations import COPY, SITES, TOUCHES, Measurement
from experiments.benchmarking.options import DIRECTIONS, LAYOUTS
from experiments.benchmarking.pacing import PHASES
from experiments.benchmarking.targets import Target, activation_targets, geometric_mean, training_targets

ABOUT = About("python scripts/x.py", on_gpu=False, cache_bytes=2**20, others_share=0.25)
MACHINE = {"device": "A machine", "torch": "2.0", "git_commit": "0123456789abcdef"}
RESNET = [site for site in SITES if site.network == "resnet18"]


def measurement(site, activation, ratio, direction="both", dtype="float32", layout="contiguous", kernel=""):
    mib = TOUCHES[direction] * 4 * site.sample_elements * site.size[0] / 2**20
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
        comparison(benchmark="augmentation", way="plain", recipe="standard", unit="images"),
        comparison(benchmark="augmentation", way="suite", recipe="standard", unit="images", time_ratio=0.04),
        comparison(benchmark="plain", way="plain", **run, unit="images"),
        comparison(benchmark="plain", way="suite", **run, unit="images", time_ratio=0.5),
        comparison(benchmark="plain", way="suite", **text, unit="tokens", time_ratio=0.25),
        comparison(benchmark="activations", activation="relu", **run, unit="images"),
        comparison(
            benchmark="activations", activation="carelu", **run, unit="images", time_ratio=1.04, memory_ratio=1.5
        ),
    ]


def test_the_geometric_mean():
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2)


def test_a_target_is_met_at_its_bound():
    assert Target("", 1.25, 1.25).met
    assert not Target("", 1.26, 1.25).met
    assert Target("", 3, 3, at_least=True).met
    assert not Target("", 2.9, 3, at_least=True).met


def test_targets_of_the_activation_by_itself_on_a_cpu():
    targets = activation_targets(activation_rows(), on_gpu=False)
    assert [(target.bound, target.met) for target in targets] == [(1.25, True), (1.05, True)] * 2
    assert targets[0].value == pytest.approx(1.2**0.75)
    assert targets[1].value == 1.0


def test_with_no_compiler_the_target_is_the_one_for_plain_pytorch():
    targets = activation_targets(activation_rows(kernel="torch_ops"), on_gpu=False)
    assert {target.bound for target in targets} == {3.0}
    assert all("kernel autograd" in target.what for target in targets)


def test_targets_of_the_activation_by_itself_on_a_gpu_are_in_bfloat16():
    assert activation_targets(activation_rows(), on_gpu=True) == []
    targets = activation_targets(activation_rows("triton", "bfloat16"), on_gpu=True)
    assert [(target.bound, target.at_least) for target in targets] == [(1.25, False), (0.70, True)] * 2


def test_a_forced_kernel_is_not_held_to_the_targets():
    rows = [replace(row, forced_kernel="eager") for row in activation_rows()]
    assert activation_targets(rows, on_gpu=False) == []


def test_targets_of_training():
    found = [(target.value, target.bound, target.met) for target in training_targets(training_rows(), on_gpu=False)]
    assert found == [
        (1.5, 2, True),
        (12.0, 10, False),
        (25.0, 20, True),
        (2.0, 2.5, False),
        (4.0, 3, True),
        (1.04, 1.05, True),
        (1.5, 1.35, False),
    ]


def test_a_gpu_has_to_train_200_epochs_in_10_minutes():
    row = replace(training_rows()[-1], per_second=25_000.0, evaluation_per_second=100_000.0)
    [target] = [each for each in training_targets([row], on_gpu=True) if "200 epochs" in each.what]
    assert target.value == pytest.approx(200 * (2 + 0.1) / 60)


def test_the_page_of_activations_says_what_was_measured_where_and_how():
    text = activations_page.page(activation_rows(), ABOUT)
    assert text.startswith("# Activations by themselves: A machine\n")
    assert "Other processes had 25% of the machine's processors" in text
    assert (
        "| CAReLU / ReLU, largest shape 128×64×32×32, float32, contiguous, kernel cpp | 1.000 | ≤ 1.05 | yes |" in text
    )
    assert "| carelu | 1.15 (1.15, 1.15) | 1.15 (1.15, 1.15) |" in text
    assert "| resnet18 128×64×32×32 | float32 | contiguous | cpp |" in text


def test_a_page_can_be_written_from_the_first_rows_alone():
    first = activation_rows()[:7]
    assert "geometric mean of the 1 shapes" in activations_page.page(first, ABOUT)
    assert "## Start-up" in training_page.page(training_rows()[:1], ABOUT)


def test_the_page_of_training_has_a_table_for_each_benchmark():
    text = training_page.page(training_rows(), ABOUT)
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads[0] == "## Targets"
    assert len(heads) == 5
    assert all(f" {phase} |" in text for phase in PHASES)
    assert "| standard | suite |" in text


def test_the_figure_shows_every_activation_under_the_copy():
    figure = bandwidth_figure(activation_rows(), "a-machine")
    files = dict(figure.files())
    assert set(files) == {"svg", "pdf", "png"}
    for name in ("carelu", "relu", COPY):
        assert name.encode() in files["svg"]
