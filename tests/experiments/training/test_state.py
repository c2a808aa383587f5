"""How far a run has come."""

from experiments.training.state import TrainingState


def test_the_time_of_a_run_is_that_of_training_and_of_everything_else():
    state = TrainingState(train_seconds=3.0, other_seconds=0.5)
    state.other_seconds += 1
    assert state.wall_seconds == 4.5


def test_two_runs_share_no_history_and_no_sums():
    first, second = TrainingState(), TrainingState()
    first.history.append({"epoch": 0})
    first.sums["loss"] = None
    assert (second.history, second.sums) == ([], {})
