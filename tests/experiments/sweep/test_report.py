"""The text of a sweep."""

import pytest

from experiments.sweep.record import NOT_RUN, RUNNING, Job
from experiments.sweep.report import exit_code, labels, outcome, progress, seconds_left, summary
from experiments.training.job import Ending

DONE = Ending("done", 0, run_id="a", metric="top1", value=45.23)
SKIPPED = Ending("skipped", 0, run_id="a", metric="top1", value=44.0)
RESUMED = Ending("resumed", 0, run_id="a", metric="top1", value=43.5)
DIVERGED = Ending("diverged", 3, "the loss is not a finite number at step 17")
FAILED = Ending("failed", 2, "trainer.device=cuda:9 is not available on this machine")
STOPPED = Ending("stopped", 75, "a checkpoint is written")


def ended(ending, began=0.0, took=60.0, act="relu"):
    return Job([f"act={act}", "seed=0", "data=sample"], ending.state, ending, began, began + took)


def not_run(act="relu"):
    return Job([f"act={act}", "seed=0", "data=sample"])


def test_a_run_is_labelled_by_what_distinguishes_it():
    jobs = [Job(["act=relu", "seed=0", "data=sample"]), Job(["act=relu", "seed=1", "data=sample"])]
    assert labels(jobs) == ["seed=0", "seed=1"]
    assert labels(jobs[:1]) == ["act=relu seed=0 data=sample"]


def test_the_time_left_is_the_mean_duration_for_each_remaining_run():
    jobs = [ended(DONE, 0, 60), ended(DONE, 60, 120), not_run(), not_run()]
    assert seconds_left(jobs, now=180) == pytest.approx(180)
    assert progress(jobs, now=180) == "2 of 4 done, about 3 min left"


def test_the_time_left_accounts_for_parallel_runs_and_their_progress():
    jobs = [ended(DONE, 0, 60), ended(DONE, 0, 60), *[Job(["seed=3"], RUNNING, began=60)] * 2, not_run(), not_run()]
    assert seconds_left(jobs, now=90) == pytest.approx((30 + 30 + 60 + 60) / 2)


def test_skipped_runs_do_not_enter_the_time_left():
    assert seconds_left([ended(SKIPPED, 0, 0.1), not_run()], now=1) is None
    jobs = [ended(SKIPPED, 0, 0.1), ended(DONE, 1, 100), not_run()]
    assert seconds_left(jobs, now=101) == pytest.approx(100)


def test_a_stopped_run_is_not_done():
    assert progress([ended(STOPPED), not_run()], now=60) == "0 of 2 done"
    assert progress([ended(DONE)], now=60) == "1 of 1 done"


def test_the_summary_has_a_line_for_each_run_and_counts_each_outcome():
    jobs = [
        ended(DONE, act="relu"),
        ended(SKIPPED, act="gelu"),
        ended(RESUMED, act="prelu"),
        ended(DIVERGED, act="elu"),
        ended(FAILED, act="selu"),
        not_run(act="mish"),
    ]
    lines = summary(jobs, 3723, "outputs/sweeps/x").splitlines()
    assert lines[0] == "sweep of 6 runs in 1 h 02 min, outputs/sweeps/x"
    table = [" ".join(line.split()) for line in lines[1:7]]
    assert table == [
        "act=relu done 1 min 00 s top1 45.23",
        "act=gelu skipped top1 44",
        "act=prelu resumed 1 min 00 s top1 43.5",
        "act=elu diverged 1 min 00 s the loss is not a finite number at step 17",
        "act=selu failed 1 min 00 s trainer.device=cuda:9 is not available on this machine",
        "act=mish not run",
    ]
    assert lines[7] == "1 done, 1 resumed, 1 skipped, 1 diverged, 1 failed, 1 not run"


def test_a_run_still_recorded_as_running_at_the_end_has_failed():
    job = Job(["seed=0"], RUNNING, began=5.0)
    assert "1 failed" in summary([job], 10, "x")
    assert outcome(job) == "its process ended without a report"
    assert exit_code([job], was_stopped=False) == 1


@pytest.mark.parametrize(
    ("endings", "missing", "was_stopped", "code"),
    [
        ([DONE, SKIPPED, RESUMED], 0, False, 0),
        ([DONE, FAILED], 0, False, 2),
        ([FAILED, DIVERGED], 0, False, 3),
        ([DONE, STOPPED], 0, True, 75),
        ([DONE], 1, True, 75),
        ([DONE], 1, False, 1),
    ],
)
def test_the_exit_code_is_the_largest(endings, missing, was_stopped, code):
    assert exit_code([*map(ended, endings), *[not_run()] * missing], was_stopped) == code


def test_a_run_that_did_not_begin_has_no_outcome():
    assert (not_run().state, outcome(not_run())) == (NOT_RUN, "")
