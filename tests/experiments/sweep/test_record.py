"""The folder of a sweep."""

import pytest

from experiments.configuration.sweeper import Comparison
from experiments.sweep.record import NOT_RUN, RUNNING, Conclusion, SweepFolder
from experiments.training.job import Ending

JOBS = [["act=relu", "seed=0"], ["act=relu", "seed=1"]]
DONE = Ending("done", 0, run_id="a", metric="top1", value=45.23)


@pytest.fixture
def folder(tmp_path):
    return SweepFolder.create(tmp_path / "sweeps" / "now", JOBS, "pool")


def test_two_sweeps_of_one_second_have_folders_of_their_own(folder):
    beside = SweepFolder.create(folder.path, JOBS, "pool")
    assert beside.path != folder.path
    assert beside.path.parent == folder.path.parent


def test_every_process_sees_the_state_of_each_job(folder):
    elsewhere = SweepFolder(folder.path)
    assert elsewhere.about == {"jobs": JOBS, "launcher": "pool", "comparisons": []}
    assert [job.state for job in elsewhere.jobs()] == [NOT_RUN, NOT_RUN]
    folder.begin(1, JOBS[1])
    assert [job.state for job in elsewhere.jobs()] == [NOT_RUN, RUNNING]
    folder.end(1, DONE)
    done = elsewhere.jobs()[1]
    assert (done.state, done.ending, done.overrides) == ("done", DONE, JOBS[1])
    assert done.ended >= done.began > 0
    assert (elsewhere.ending(0), elsewhere.ending(1)) == (None, DONE)


def test_jobs_that_a_sweeper_adds_follow_the_planned_ones(folder):
    for number, seed in ((10, 10), (2, 2)):
        folder.begin(number, ["act=relu", f"seed={seed}"])
    assert [job.overrides for job in folder.jobs()] == [*JOBS, ["act=relu", "seed=2"], ["act=relu", "seed=10"]]


def test_jobs_that_a_sweeper_plans_are_seen_before_they_begin(folder):
    elsewhere = SweepFolder(folder.path)
    folder.plan([["act=relu", "seed=2"]])
    assert [job.overrides for job in elsewhere.jobs()] == [*JOBS, ["act=relu", "seed=2"]]
    assert elsewhere.jobs()[2].state == NOT_RUN


def test_the_folder_holds_what_is_compared_and_how_it_ended(tmp_path):
    comparisons = [Comparison(["task=text"], [["act=relu"], ["act=carelu", "act.options.gain=2"]])]
    folder = SweepFolder.create(tmp_path / "now", [], "basic", comparisons)
    assert SweepFolder(folder.path).comparisons == comparisons
    assert folder.conclusion() is None
    folder.conclude(Conclusion(["decided"], "relu"))
    assert SweepFolder(folder.path).conclusion() == Conclusion(["decided"], "relu")


def test_a_job_that_begins_again_has_not_ended(folder):
    folder.begin(0, JOBS[0])
    folder.end(0, Ending("stopped", 75))
    folder.begin(0, JOBS[0])
    assert folder.ending(0) is None


def test_every_process_sees_a_request_to_stop(folder):
    assert not SweepFolder(folder.path).stop_requested()
    folder.request_stop()
    assert SweepFolder(folder.path).stop_requested()
