"""Sweeps on Slurm: jobs that die, errors of Slurm, pre-emption."""

import os
import signal
from types import SimpleNamespace

import pytest
import submitit
from hydra.core.utils import JobStatus

from experiments.configuration.composition import ROOT
from experiments.sweep import PLUGINS
from experiments.sweep.slurm import prepare_launcher, requeue_if_preempted, requeueing
from tests import forked
from tests.experiments.sweep.test_coordinator import TINY

JOB = SimpleNamespace(job_id="9_0")


@pytest.mark.slow
def test_a_slurm_job_that_dies_stops_no_other(tmp_path, slurm, monkeypatch):
    monkeypatch.setattr(submitit.SlurmJob, "_results_timeout_s", 1)  # for a file that will not come
    srun, sacct = slurm.with_name("srun"), slurm.with_name("sacct")
    srun.write_text(srun.read_text().replace("exec", "[[ $SLURM_ARRAY_TASK_ID == 0 ]] && exit 137\nexec", 1))
    sacct.write_text(sacct.read_text() + "\necho '9_0|OUT_OF_MEMORY|here'\n")
    done = forked.run(["run.py", "-m", "seed=0,1", *TINY, f"output_root={tmp_path}", "hydra/launcher=submitit_slurm"])
    assert "Slurm job 9_0 has no result" in done.stdout
    assert "1 done, 1 not run" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1


@pytest.mark.slow
def test_an_error_of_slurm_is_one_line(tmp_path, slurm):
    slurm.with_name("sbatch").write_text("#!/bin/bash\necho 'sbatch: error: invalid partition: gqu' >&2\nexit 1\n")
    done = forked.run(["run.py", "-m", "seed=0,1", *TINY, f"output_root={tmp_path}", "hydra/launcher=submitit_slurm"])
    line = done.stderr.splitlines()[-1]  # after the output of sbatch itself
    assert "Traceback" not in done.stderr
    assert line.startswith("error: hydra/launcher=submitit_slurm failed: sbatch: error: invalid partition: gqu (see ")
    assert "2 not run" in done.stdout
    assert done.returncode == 1


@pytest.fixture
def launcher(monkeypatch):
    """Prepares submitit, where the results of a job are what a function says; takes it back after the test."""

    monkeypatch.setenv("PYTHONPATH", "/of/the/user")

    def prepare(results):
        monkeypatch.setattr(submitit.SlurmJob, "results", results)
        prepare_launcher()

    return prepare


@pytest.mark.parametrize("error", [submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError])
def test_a_job_that_died_has_no_result_and_says_why(launcher, capsys, error):
    def died(job):
        raise error("Job 9_0\n  has no output")

    launcher(died)
    (result,) = submitit.SlurmJob.results(JOB)
    assert (result.status, result.return_value) == (JobStatus.COMPLETED, None)
    assert capsys.readouterr().out == "Slurm job 9_0 has no result: Job 9_0 has no output\n"


def test_a_job_that_ended_keeps_its_result(launcher):
    launcher(lambda job: ["result"])
    assert submitit.SlurmJob.results(JOB) == ["result"]


def test_jobs_find_the_project_and_what_the_user_added_to_the_path(launcher):
    launcher(lambda job: [])
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(ROOT), str(PLUGINS), "/of/the/user"]


@pytest.fixture
def events():
    """The signals that reached the run and submitit, in order."""
    seen = []
    before = [
        (number, signal.signal(number, lambda number, _: seen.append(signal.Signals(number).name)))
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    ]
    yield seen
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("name", [None, "USR1"])
def test_a_pre_empted_run_is_stopped_first_and_queued_again_after_its_end(events, monkeypatch, name):
    monkeypatch.delenv("SUBMITIT_PREEMPT_SIGNAL", raising=False)
    if name:
        monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", name)
    sent = f"SIG{name or 'USR2'}"
    with requeueing():
        signal.raise_signal(signal.Signals[sent])
        events.append("end of the run")
    assert events == ["SIGTERM", "end of the run", sent]


def test_a_run_that_was_not_pre_empted_is_not_queued_again(events):
    with requeueing():
        pass
    assert events == []
    signal.raise_signal(signal.SIGUSR2)
    assert events == ["SIGUSR2"]


@pytest.mark.parametrize(
    ("says", "requeued"),
    [
        ("JobState=RUNNING Reason=None\n SuspendTime=None PreemptTime=2026-01-02T03:04:05", True),
        ("JobState=RUNNING Reason=None\n PreemptEligibleTime=2026-01-02T03:04:05 PreemptTime=None", False),
        ("JobState=CANCELLED Reason=None\n PreemptTime=2026-01-02T03:04:05", False),
        ("JobState=COMPLETING Reason=BeginTime\n PreemptTime=2026-01-02T03:04:05", False),
        ("slurm_load_jobs error: Invalid job id specified", False),
    ],
    ids=["pre-empted", "signalled by a person", "cancelled", "queued again by Slurm", "unknown"],
)
def test_only_a_job_that_slurm_pre_empts_with_grace_is_queued_again(slurm, monkeypatch, events, says, requeued):
    slurm.with_name("scontrol").write_text(f"#!/bin/bash\n[[ $* == 'show job 12' ]] && echo '{says}'\n")
    slurm.with_name("scontrol").chmod(0o755)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    requeue_if_preempted()
    assert events == ["SIGUSR2"] * requeued


def test_without_slurm_nothing_is_queued_again(monkeypatch, tmp_path, events):
    requeue_if_preempted()
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("PATH", str(tmp_path))
    requeue_if_preempted()
    assert events == []
