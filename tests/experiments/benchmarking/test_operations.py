"""Activations measured by themselves, on tiny shapes."""

import os
import types

import pytest
import torch

from carelu import ActivationFactory, activation_names
from experiments.benchmarking import operations
from experiments.benchmarking.operations import COPY, SITES, Case, Plan, Site, kernel_of, measure, peak_extra_bytes
from experiments.benchmarking.options import DIRECTIONS, DTYPES, LAYOUTS, NETWORKS

CPU = torch.device("cpu")
MACHINE = {"device": "a machine", "torch": "2", "git_commit": "abc"}
TINY = Site("resnet18", (2, 3, 4, 4), pre_norm=True)


def plan(**changes):
    usual = {"activations": ["relu", "carelu"], "kernels": ["auto"], "sites": [TINY], "dtypes": ["float32"]}
    usual |= {"layouts": ["contiguous"], "directions": DIRECTIONS, "rounds": 1, "least_seconds": 0.0}
    return Plan(**usual | changes)


def measured(notes=None, **changes):
    notes = [] if notes is None else notes
    return [row for rows in measure(plan(**changes), CPU, MACHINE, notes.append) for row in rows]


def test_the_sites_are_those_of_the_networks_that_can_be_asked_for():
    assert tuple(dict.fromkeys(site.network for site in SITES)) == NETWORKS
    resnet = [site for site in SITES if site.network == "resnet18"]
    assert [str(site) for site in resnet] == ["128×64×32×32", "128×128×16×16", "128×256×8×8", "128×512×4×4"]
    assert [site.sample_elements for site in resnet] == [65536, 32768, 16384, 8192]


def test_every_combination_is_measured_beside_a_copy():
    rows = measured(activations=activation_names(), dtypes=DTYPES[:2], layouts=LAYOUTS)
    found = {(row.activation, row.direction, row.dtype, row.layout) for row in rows}
    cases = {(name, direction) for name in activation_names() for direction in DIRECTIONS} | {(COPY, COPY)}
    assert found == {(*case, dtype, layout) for case in cases for dtype in DTYPES[:2] for layout in LAYOUTS}
    assert len(rows) == len(found)
    assert all(row.relu_ratio == 1 for row in rows if row.activation == "relu")


def test_other_competitions_are_measured_under_names_of_their_own(monkeypatch):
    built = []
    usual = operations._directions

    def directions(name, activation, *given):
        built.append((name, getattr(activation, "over", None)))
        return usual(name, activation, *given)

    monkeypatch.setattr(operations, "_directions", directions)
    rows = measured(activations=list(operations.VARIANTS), directions=["both"])
    assert {row.activation for row in rows} == {COPY, "relu", "carelu_over_channel", "carelu_over_feature"}
    assert built[1:] == [("carelu_over_channel", "channel"), ("carelu_over_feature", "feature")]


def test_rows_come_setting_by_setting_so_that_they_can_be_written_early():
    notes = []
    rows = measure(plan(dtypes=["float32", "bfloat16"]), CPU, MACHINE, notes.append)
    assert {row.dtype for row in next(rows)} == {"float32"}
    assert notes == ["resnet18 2×3×4×4 float32 contiguous"]


def test_a_layout_is_asked_of_images_only():
    text = Site("bert", (2, 3, 4), (2,))
    assert [layout for _, _, layout in plan(sites=[text, TINY], layouts=LAYOUTS).settings()] == ["contiguous", *LAYOUTS]


def test_an_activation_that_a_site_cannot_have_is_left_out_with_a_note():
    notes = []
    rows = measured(notes, activations=["carelu_pre_norm"], sites=[Site("edsr", (2, 3, 4, 4))])
    assert {row.activation for row in rows} == {"relu", COPY}
    assert any("left out: carelu_pre_norm" in note for note in notes)


def test_times_become_ratios_and_fractions(monkeypatch):
    seconds = {(COPY, COPY): [1.0, 2.0, 1.0], ("relu", "both"): [2.0, 4.0, 2.0], ("carelu", "both"): [5.0, 10.0, 4.0]}

    def clock(calls, rounds, least_seconds, device):
        return {case: seconds[case.activation, case.direction] for case in calls}

    monkeypatch.setattr(operations, "interleaved", clock)
    rows = {row.activation: row for row in measured(directions=["both"])}
    assert (rows["carelu"].relu_ratio, rows["carelu"].relu_ratio_q1, rows["carelu"].relu_ratio_q3) == (2.5, 2.25, 2.5)
    assert rows["relu"].copy_fraction == pytest.approx(0.5 * 5 / 2)  # accesses 5 tensors in the time that 4 can be
    assert rows["relu"].least_mib == 5 * 96 * 4 / 2**20
    assert (rows["relu"].microseconds, rows["relu"].microseconds_least) == (2e6, 2e6)
    assert rows[COPY].relu_ratio is None


def test_the_kernel_is_the_one_that_computed_the_output():
    z = torch.randn(2, 3, requires_grad=True)
    assert kernel_of(torch.relu(z)) == "eager"
    assert (
        kernel_of(types.SimpleNamespace(grad_fn=types.SimpleNamespace(kernel=types.SimpleNamespace(NAME="cpp"))))
        == "cpp"
    )


def test_a_forced_kernel_is_named_and_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops")
    rows = measured(kernels=["auto", "eager"], directions=["both"])
    assert [row.forced_kernel for row in rows if row.activation == "carelu"] == ["", "eager"]
    assert {row.kernel for row in rows if row.forced_kernel == "eager"} == {"eager"}
    assert {row.kernel for row in rows if row.activation in (COPY, "relu")} == {""}
    assert os.environ["CARELU_KERNEL"] == "torch_ops"


def test_gradients_are_timed_for_the_parameters_too():
    activation = ActivationFactory("prelu")(3, (1, 2, 3), True)
    z = torch.randn(TINY.size)
    calls = operations._directions("prelu", activation, [z], torch.ones_like(z), "")
    gradients = calls[Case("prelu", "both")]()
    assert [gradient.shape for gradient in gradients] == [z.shape, *(p.shape for p in activation.parameters())]


def test_extra_memory_is_the_most_that_is_held_at_a_time():
    def two_tensors_of_which_one_is_kept():
        first = torch.empty(2**18)
        return first + 1

    peak = peak_extra_bytes(two_tensors_of_which_one_is_kept, CPU)
    assert peak == pytest.approx(2 * 2**20, rel=0.01)  # and the number that is added
