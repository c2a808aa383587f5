"""A run that is timed from inside: requests, phases, and what is counted."""

import pytest

from experiments.benchmarking.timed_run import PHASES, EvaluateBatches, TrainSteps, train_on_request
from tests.conftest import TINY_NETWORK

TINY = [
    *("task=cifar100", "data=sample", "recipe=small", *TINY_NETWORK["cifar100"]),
    *("trainer.batch_size=20", "trainer.device=cpu"),
]


@pytest.fixture
def perform(tiny_cifar100):
    """The answers of a tiny run to the requests."""

    def answers_to(*requests, overrides=(), replace_batches=None):
        waiting, answers = iter(requests), []

        def receive():
            for request in waiting:
                return request
            raise EOFError

        train_on_request(receive, answers.append, [*TINY, *overrides], replace_batches)
        return answers

    return answers_to


def test_a_request_is_that_many_steps_and_its_phases_add_up_to_its_time(perform):
    first, second = perform(TrainSteps(2), TrainSteps(5))  # an epoch has 3 steps
    assert (first.items, second.items) == (40, 100)
    for answer in (first, second):
        assert set(answer.phases) == set(PHASES)
        assert all(seconds > 0 for seconds in answer.phases.values())
        assert sum(answer.phases.values()) == pytest.approx(answer.seconds, rel=0.05, abs=1e-3)
        assert answer.memory_mib > 0


def test_evaluation_is_timed_between_steps(perform):
    requests = [TrainSteps(1), EvaluateBatches(1), TrainSteps(1)]
    first, evaluation, again = perform(*requests, overrides=["trainer.evaluation_batch_size=10"])
    assert (first.items, evaluation.items, again.items) == (20, 10, 20)
    assert evaluation.seconds > 0


def test_other_batches_can_take_the_place_of_the_tasks_own(perform):
    class Halves:
        def __init__(self, batches):
            self.batches = batches
            self.smallest = batches.smallest // 2

        def epoch(self, *arguments):
            return ((images[:10], labels[:10]) for images, labels in self.batches.epoch(*arguments))

    [answer] = perform(TrainSteps(2), replace_batches=Halves)
    assert answer.items == 20


def test_a_run_that_fails_says_why(perform, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("no loss today")

    monkeypatch.setattr("experiments.tasks.cifar100.task.CIFAR100.loss", broken)
    with pytest.raises(RuntimeError, match="no loss today"):
        perform(TrainSteps(1))


def test_nothing_of_a_measured_run_is_kept(perform, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    perform(TrainSteps(1))
    assert list(tmp_path.iterdir()) == []
