"""The folder of a sweep."""

import subprocess
import sys

import pytest

from experiments.sweep.record import NOT_RUN, RUNNING, SweepFolder
from experiments.training.job import Ending
from tests.conftest import ROOT

JOBS = [["act=relu", "seed=0"], ["act=relu", "seed=1"]]
DONE = Ending("done", 0, run_id="a", metric="top1", value=45.23)


@pytest.fixture
def folder(tmp_path):
    return SweepFolder.create(tmp_path / "sweeps" / "now", {"jobs": JOBS, "launcher": "joblib"})


def test_two_sweeps_of_one_second_have_folders_of_their_own(folder):
    beside = SweepFolder.create(folder.path, {"jobs": JOBS, "launcher": "joblib"})
    assert beside.path != folder.path
    assert beside.path.parent == folder.path.parent


def test_every_process_sees_how_far_each_run_has_come(folder):
    elsewhere = SweepFolder(folder.path)
    assert [job.state for job in elsewhere.jobs()] == [NOT_RUN, NOT_RUN]
    folder.begin(1, JOBS[1])
    assert [job.state for job in elsewhere.jobs()] == [NOT_RUN, RUNNING]
    folder.end(1, DONE)
    done = elsewhere.jobs()[1]
    assert (done.state, done.ending, done.overrides) == ("done", DONE, JOBS[1])
    assert done.ended >= done.began > 0
    assert (elsewhere.has_ended(0), elsewhere.has_ended(1)) == (False, True)


def test_a_run_that_begins_again_has_not_ended(folder):
    folder.begin(0, JOBS[0])
    folder.end(0, Ending("stopped", 75))
    folder.begin(0, JOBS[0])
    assert not folder.has_ended(0)


def test_a_sweep_stops_when_it_is_asked_to(folder):
    assert not SweepFolder(folder.path).must_stop()
    folder.ask_to_stop()
    assert SweepFolder(folder.path).must_stop()


@pytest.mark.parametrize(("launcher", "stops"), [("joblib", True), ("submitit_local", True), ("submitit_slurm", False)])
def test_a_sweep_stops_when_its_process_is_gone_unless_it_is_on_a_cluster(tmp_path, launcher, stops):
    program = f"""
from pathlib import Path
from experiments.sweep.record import SweepFolder
folder = SweepFolder.create(Path({str(tmp_path / "x")!r}), {{"jobs": {JOBS!r}, "launcher": {launcher!r}}})
assert not SweepFolder(folder.path).is_abandoned()
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert SweepFolder(tmp_path / "x").must_stop() is stops
