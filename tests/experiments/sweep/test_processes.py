"""The process of one run of a sweep: its share of the machine, its death, and its end in order."""

import json
import os
import signal
import threading
import time

import pytest
import torch

from experiments.sweep import processes
from experiments.sweep.processes import Share, run_sweep_job, share_of
from experiments.sweep.record import NOT_RUN, SweepFolder
from experiments.training.job import STOPPED, Ending

DONE = Ending("done", 0, run_id="a", metric="top1", value=45.23)
OVERRIDES = ["seed=0"]


@pytest.mark.parametrize(
    ("workers", "gpus", "cores", "shares"),
    [
        (2, [], 2, [Share(None, 1), Share(None, 1)]),
        (2, [], 8, [Share(None, 4), Share(None, 4)]),
        (4, [], 2, [Share(None, 1)] * 4),
        (1, ["0"], 16, [Share("0", 16)]),
        (2, ["0", "1"], 16, [Share("0", 8), Share("1", 8)]),
        (4, ["0", "1"], 16, [Share("0", 4), Share("1", 4), Share("0", 4), Share("1", 4)]),
        (2, ["GPU-a", "MIG-b"], 3, [Share("GPU-a", 1), Share("MIG-b", 1)]),
    ],
)
def test_each_worker_has_its_gpu_and_its_share_of_the_cores(workers, gpus, cores, shares):
    assert [share_of(worker, workers, gpus, cores) for worker in range(workers)] == shares


@pytest.fixture
def sweep(tmp_path):
    """Makes a sweep of one run and keeps its folder."""

    def create(launcher="joblib", workers=1, gpus=(), cores=2):
        about = {"jobs": [OVERRIDES], "launcher": launcher, "workers": workers, "gpus": list(gpus), "cores": cores}
        return SweepFolder.create(tmp_path / "sweep", about)

    return create


@pytest.fixture
def performing(monkeypatch):
    """Puts a function in the place of the run itself."""
    monkeypatch.setattr(processes, "_end_with_parent", lambda number: None)  # here the worker's parent is pytest's

    def put(run):
        monkeypatch.setattr(processes, "run_job", lambda cfg, choices: run())

    return put


def ended(folder):
    run_sweep_job(None, {}, folder, 0, OVERRIDES)
    (job,) = folder.jobs()
    return job


def test_a_run_is_bound_to_its_share_and_says_what_it_says_in_its_log(sweep, performing):
    folder = sweep(workers=3, gpus=["4", "7"], cores=3)

    def run():
        print(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], torch.get_num_threads()]))
        return DONE

    performing(run)
    assert ended(folder).ending == DONE
    assert json.loads(folder.log(0).read_text()) == ["4", 1]


def test_no_more_runs_are_under_way_than_there_are_workers(sweep, performing):
    folder = sweep(workers=2)
    with processes._turn(folder) as first, processes._turn(folder) as second:
        assert (first, second) == (Share(None, 1), Share(None, 1))
        waiting = threading.Thread(target=ended, args=(folder,))
        performing(lambda: DONE)
        waiting.start()
        time.sleep(3 * processes._POLL_SECONDS)
        assert folder.jobs()[0].state == NOT_RUN
        folder.ask_to_stop()
        waiting.join(30)
    assert folder.jobs()[0].state == NOT_RUN


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "submitit_slurm"])
def test_a_run_that_dies_has_failed_with_a_reason_and_takes_nothing_with_it(sweep, performing, launcher):
    performing(lambda: os.kill(os.getpid(), signal.SIGKILL))
    job = ended(sweep(launcher))
    assert (job.state, job.ending.code) == ("failed", 1)
    assert "SIGKILL, perhaps for want of memory (see " in job.ending.reason


def until_stopped():
    """A run that writes a checkpoint when it is asked to stop."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        return Ending("stopped", STOPPED, "a checkpoint is written")
    return DONE


def test_a_run_under_way_stops_with_a_checkpoint_when_the_sweep_is_asked_to_stop(sweep, performing):
    folder = sweep()
    performing(until_stopped)
    threading.Timer(1.0, folder.ask_to_stop).start()
    assert ended(folder).ending == Ending("stopped", STOPPED, "a checkpoint is written")


def test_no_run_begins_in_a_sweep_that_is_asked_to_stop(sweep, performing):
    folder = sweep()
    folder.ask_to_stop()
    performing(lambda: DONE)
    assert ended(folder).state == NOT_RUN


def test_a_pre_empted_job_is_queued_again_after_its_run_has_written_a_checkpoint(sweep, performing, monkeypatch):
    """What submitit does on SIGUSR2 is queue the job again and leave."""
    folder, queued_again = sweep("submitit_local"), []

    def of_submitit(number, frame):
        queued_again.append(folder.jobs()[0].state)
        raise SystemExit(-1)

    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    before = signal.signal(signal.SIGUSR2, of_submitit)
    performing(until_stopped)
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGUSR2)).start()
    try:
        with pytest.raises(SystemExit):
            ended(folder)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert queued_again == ["stopped"]


def test_a_run_that_slurm_ended_leaves_its_job_open_for_slurm_to_start_again(sweep, performing):
    performing(lambda: Ending("stopped", STOPPED, "a checkpoint is written"))
    with pytest.raises(SystemExit) as left:
        ended(sweep("submitit_slurm", workers=0))
    assert left.value.code == STOPPED


def test_a_run_notices_that_its_worker_is_gone(tmp_path, monkeypatch):
    """The worker is a process of its own here, which is killed while its run is under way."""
    read, write = os.pipe()
    worker = os.fork()
    if worker == 0:
        if os.fork() == 0:
            processes._end_with_parent(signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *_: (os.write(write, b"asked"), os._exit(0)))
            os.write(write, b"ready")
            time.sleep(60)
            os._exit(1)
        time.sleep(60)
        os._exit(1)
    os.close(write)
    assert os.read(read, 5) == b"ready"
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    assert os.read(read, 5) == b"asked"
    os.close(read)
