"""The clock of a run, and its decisions between steps."""

from types import SimpleNamespace

import pytest

from experiments.distributed.processes import SingleProcess
from experiments.training import pacing
from experiments.training.pacing import Decision, Pace
from experiments.training.state import TrainingState


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pacing, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def pace_of(state, processes=None, stop=lambda: False):
    return Pace(state, processes or SingleProcess(), checkpoint_minutes=1, stop_requested=stop)


def test_training_and_other_time_are_counted_apart_and_add_to_those_of_before(clock):
    state = TrainingState(train_seconds=10, other_seconds=20)
    pace = pace_of(state)
    clock.now += 2
    pace.count_other()
    clock.now += 5
    pace.count_training()
    clock.now += 1
    pace.count_other()
    assert (state.train_seconds, state.other_seconds, state.wall_seconds) == (15, 23, 38)


def test_an_epoch_lasts_from_the_end_of_the_one_before_also_over_a_resume(clock):
    state = TrainingState(train_seconds=9, other_seconds=1, history=[{"epoch": 0}, {"epoch": 1, "seconds": 7.0}])
    pace = pace_of(state)
    clock.now += 4
    assert pace.finish_epoch() == 7  # 3 s of this epoch before the resume


def test_a_checkpoint_is_due_when_its_minutes_have_passed_since_the_last_one(clock):
    pace = pace_of(TrainingState())
    clock.now += 60
    assert not pace.after_step(False).checkpoint
    clock.now += 1
    assert pace.after_step(False).checkpoint
    assert pace.after_step(False).checkpoint  # until it is written
    pace.count_training()
    pace.count_other()
    assert not pace.after_step(False).checkpoint
    clock.now += 61
    assert pace.after_step(False).checkpoint


def test_a_stop_that_this_process_was_asked_for_is_obeyed(clock):
    requested = []
    pace = pace_of(TrainingState(), stop=lambda: bool(requested))
    assert pace.after_step(False) == Decision(diverged=False, stop=False, checkpoint=False)
    assert not pace.must_stop()
    requested.append(1)
    assert pace.after_step(False) == Decision(diverged=False, stop=True, checkpoint=False)
    assert pace.must_stop()


@pytest.mark.parametrize("other", [Decision(True, False, False), Decision(False, True, False)])
def test_what_another_process_decides_is_decided_here_too(clock, other):
    class TwoProcesses(SingleProcess):
        def any_rank(self, *flags):
            return tuple(mine or theirs for mine, theirs in zip(flags, other[: len(flags)], strict=True))

    assert pace_of(TrainingState(), TwoProcesses()).after_step(False) == other


def test_divergence_is_passed_on(clock):
    assert pace_of(TrainingState()).after_step(True) == Decision(diverged=True, stop=False, checkpoint=False)


def test_the_time_left_follows_from_the_average_step(clock):
    assert pace_of(TrainingState(steps=10, train_seconds=15, other_seconds=5)).seconds_left(40) == 60
