"""Training compared in turn, with workers whose clock is made up."""

import pytest
import torch

from experiments.benchmarking import comparisons
from experiments.benchmarking.comparisons import (
    Effort,
    Series,
    compare_activations,
    compare_augmentation,
    compare_with_reference_loop,
)
from experiments.benchmarking.timed_run import PHASES, EvaluateBatches, Timing, TrainSteps

CPU = torch.device("cpu")
MEASURING = {"device": CPU, "machine": {"device": "a machine", "torch": "2", "git_commit": "abc"}}
OVERRIDES = ["task=cifar100", "data=sample", "recipe=small", "trainer.device=cpu"]


class FakeWorker:
    """Takes 2 seconds for a step with GELU or padding, 1 for any other; 100 items a step; each request is kept."""

    requests: list

    def __init__(self, work, overrides, **arguments):
        self.name = next(word for word in reversed(overrides) if word.startswith("act="))
        self.slow = self.name == "act=gelu" or bool(arguments)

    def ask(self, request):
        self.requests.append((self.name, request))
        steps = request.steps if isinstance(request, TrainSteps) else request.batches
        seconds = steps * (2.0 if self.slow else 1.0)
        phases = dict.fromkeys(PHASES, seconds / len(PHASES))
        return Timing(seconds, items=100 * steps, phases=phases, memory_mib=300.0 if self.slow else 200.0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.fixture
def requests(monkeypatch):
    monkeypatch.setattr(comparisons, "Worker", FakeWorker)
    FakeWorker.requests = []
    return FakeWorker.requests


def test_activations_are_compared_with_relu_in_the_same_rounds(requests):
    effort = Effort(rounds=2, steps=3, evaluation_batches=1)
    relu, gelu = compare_activations(OVERRIDES, ["relu", "gelu"], effort, **MEASURING, note=lambda line: None)
    assert (relu.time_ratio, relu.memory_ratio) == (1, 1)
    assert (gelu.time_ratio, gelu.memory_ratio) == (2, 1.5)
    assert (gelu.per_second, gelu.step_ms, gelu.forward_ms) == (50, 2000, 400)
    assert (gelu.evaluation_per_second, gelu.unit, gelu.rounds) == (50, "images", 2)
    together = requests[-12:]  # three rounds, the first to warm up
    turn = [(act, request) for act in ("act=relu", "act=gelu") for request in (TrainSteps(3), EvaluateBatches(1))]
    assert together == turn * 3


@pytest.mark.parametrize("task", ["cifar100", "text"])
def test_the_suite_and_each_variant_are_compared_with_the_reference_loop(requests, task):
    overrides = [f"task={task}", *OVERRIDES[1:]]
    variants = [[], ["trainer.precision=bfloat16"]]
    effort = Effort(rounds=1, steps=1, evaluation_batches=1)
    rows = list(compare_with_reference_loop(overrides, variants, 2, effort, **MEASURING, note=lambda line: None))
    assert [(row.way, row.precision) for row in rows] == [
        ("reference_loop", "float32"),
        ("suite", "float32"),
        ("suite", "bfloat16"),
    ]
    assert [row.time_ratio for row in rows] == [1, 0.5, 0.5]


def test_time_on_a_gpu_is_measured_apart_from_its_phases(requests):
    series = Series()
    series.measure(FakeWorker(None, ["act=relu"]), Effort(1, 3, 1), torch.device("cuda"), evaluate=False)
    assert [request for _, request in requests] == [TrainSteps(3), TrainSteps(3, split=True)]
    assert (len(series.steps), len(series.split_steps), series.evaluations) == (1, 1, [])


def test_augmentation_is_timed_with_and_without_rotation(tiny_cifar100, monkeypatch):
    made = []

    def clock(calls, rounds, least_seconds, device):
        made.extend(call()[0] for call in calls.values())
        return {"reference_loop": [2.0], "suite": [0.5]}

    monkeypatch.setattr(comparisons, "interleaved", clock)
    overrides = [*OVERRIDES, "trainer.batch_size=50"]  # there are 60 images
    rows = list(compare_augmentation(overrides, 1, **MEASURING, note=lambda line: None))
    assert [(row.recipe, row.way, row.time_ratio) for row in rows] == [
        ("small and fast", "reference_loop", 1),
        ("small and fast", "suite", 0.25),
        ("standard", "reference_loop", 1),
        ("standard", "suite", 0.25),
    ]
    assert [batch.shape for batch in made] == [(50, 3, 32, 32)] * 4
    assert all(abs(float(batch.mean())) < 0.5 and 0.5 < float(batch.std()) < 1.5 for batch in made)
