"""The pool: the share of each worker, and jobs that die, stop or lose their coordinator.

Small programs replace `python run.py`, so that no test trains anything.
"""

import json
import math
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf

from experiments.configuration.composition import ROOT, compose_with_hydra
from experiments.sweep import pool
from experiments.sweep.pool import Worker, visible_gpus, workers_of
from experiments.sweep.record import NOT_RUN, SweepFolder
from experiments.training.job import STOPPED, Ending

BEGIN = """
import json, os, pathlib, signal, sys, time
from experiments.sweep.job import joins_pool
from experiments.sweep.record import write_ending
from experiments.training.job import Ending
file = pathlib.Path(os.environ["CARELU_POOL_JOB"])
"""

SLEEP_UNTIL_STOPPED = """
def stop(*_):
    write_ending(file, Ending("stopped", 75, "a checkpoint is written"))
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("workers", "per_gpu", "gpus", "cores", "expected"),
    [
        (None, 1, [], 2, [Worker(None, 1)] * 2),
        (None, 3, [], 2, [Worker(None, 1)] * 2),
        (2, 1, [], 8, [Worker(None, 4)] * 2),
        (4, 1, [], 2, [Worker(None, 1)] * 4),
        (None, 1, ["0", "1"], 16, [Worker("0", 8), Worker("1", 8)]),
        (None, 2, ["0", "1"], 16, [Worker("0", 4), Worker("1", 4), Worker("0", 4), Worker("1", 4)]),
        (3, 1, ["GPU-a", "MIG-b"], 3, [Worker("GPU-a", 1), Worker("MIG-b", 1), Worker("GPU-a", 1)]),
    ],
)
def test_each_worker_has_its_gpu_and_its_share_of_the_cores(monkeypatch, workers, per_gpu, gpus, cores, expected):
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert workers_of(workers, per_gpu, gpus, cores) == expected


def test_the_users_limit_of_threads_holds_for_each_worker(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert workers_of(2, 1, [], 16) == [Worker(None, 3)] * 2


@pytest.mark.parametrize(
    ("named", "gpus"), [(None, ["0", "1", "2"]), ("", ["0", "1", "2"]), ("5,3,MIG-a", ["5", "3", "MIG-a"])]
)
def test_the_gpus_are_those_that_this_process_may_use(monkeypatch, named, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


def test_hydra_finds_the_launcher_that_the_configuration_names():
    launcher = compose_with_hydra(["hydra/launcher=pool"]).hydra.launcher
    names = [f"{each.__module__}.{each.__name__}" for each in Plugins.instance().discover(Launcher)]
    assert launcher._target_ in names


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Launches a batch of programs in a pool; returns the sweep's folder and the values."""

    from hydra_plugins.carelu_pool import PoolLauncher  # found once experiments.sweep is imported

    def launch(*programs, workers=1, gpus=(), before=lambda folder: None, **trainer):
        monkeypatch.setattr(pool, "visible_gpus", lambda: list(gpus))
        monkeypatch.setattr(pool, "usable_cores", lambda: 2 * workers)
        monkeypatch.setattr(sys, "argv", [str(tmp_path / "run.py")])
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        (tmp_path / "run.py").write_text(f"{BEGIN}\nexec(sys.argv[2])")
        batch = [[program] for program in programs]
        folder = SweepFolder.create(tmp_path / "sweep", batch, "pool")
        before(folder)
        sources = [{"provider": "main", "path": "x"}, {"provider": "command-line", "path": "mine"}]
        of_hydra = {"sweep": {"dir": str(folder.path)}, "runtime": {"config_sources": sources}}
        job = OmegaConf.create({"trainer": {"device": "auto", **trainer}})
        loader = SimpleNamespace(load_sweep_config=lambda config, overrides: job)
        launcher = PoolLauncher(workers, 1)
        context = SimpleNamespace(config_loader=loader)
        launcher.setup(hydra_context=context, task_function=None, config=OmegaConf.create({"hydra": of_hydra}))
        return folder, [job.return_value for job in launcher.launch(batch, 0)]

    return launch


REPORT = 'write_ending(file, Ending("done", 0, "", "a", "top1", {}))'


@pytest.mark.slow
def test_the_values_of_a_batch_come_in_its_order(sweep):
    _, values = sweep(f"time.sleep(1); {REPORT.format(1.5)}", REPORT.format(2.5), "sys.exit(2)", workers=3)
    assert values == [1.5, 2.5, -math.inf]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gpus", "trainer", "expected"),
    [
        (["7"], {"threads": None}, ["7", "2"]),
        ([], {"threads": None}, [None, "2", "trainer.threads=2"]),
        (["7"], {"threads": None, "device": "cpu"}, [None, "2", "trainer.threads=2"]),
        ([], {"threads": 5}, [None, "2"]),
    ],
)
def test_a_job_is_bound_to_its_gpu_or_its_threads_and_writes_its_log(sweep, monkeypatch, gpus, trainer, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shown = 'os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["OMP_NUM_THREADS"], *sys.argv[3:]'
    folder, _ = sweep(f"print(json.dumps([{shown}]))", gpus=gpus, **trainer)
    assert json.loads(folder.log(0).read_text()) == expected


def test_a_job_reads_the_folder_of_configurations_that_the_command_line_names(sweep):
    folder, _ = sweep("print(sys.argv[1])")
    assert folder.log(0).read_text() == "--config-dir=mine\n"


@pytest.mark.slow
def test_no_more_jobs_run_at_once_than_there_are_workers(sweep):
    folder, _ = sweep(*[f"time.sleep({0.5 + index / 100}); {REPORT.format(1)}" for index in range(3)], workers=2)
    first, second, third = sorted(folder.jobs(), key=lambda job: job.began)
    assert second.began < first.ended
    assert third.began >= min(first.ended, second.ended)


@pytest.mark.slow
def test_a_job_that_is_killed_fails_with_a_reason_and_stops_no_other(sweep):
    folder, values = sweep("os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(4)", REPORT.format(3))
    killed, ended, done = folder.jobs()
    assert (killed.state, killed.ending.code, ended.state, ended.ending.code) == ("failed", 1, "failed", 4)
    assert f"SIGKILL, perhaps out of memory (see {folder.log(0)}" in killed.ending.reason
    assert f"exit code 4 (see {folder.log(1)}" in ended.ending.reason
    assert (done.state, values) == ("done", [-math.inf, -math.inf, 3])


def test_a_request_to_stop_ends_running_jobs_with_a_checkpoint_and_starts_no_other(sweep):
    folders = []

    def stop_soon(folder):
        def stop():
            while not (folder.log(0).exists() and "ready" in folder.log(0).read_text()):
                time.sleep(0.05)
            folder.request_stop()

        folders.append(folder)
        threading.Thread(target=stop, daemon=True).start()

    with pytest.raises(SystemExit) as end:
        sweep(SLEEP_UNTIL_STOPPED, REPORT.format(1), before=stop_soon)
    running, waiting = folders[0].jobs()
    assert end.value.code == STOPPED
    assert running.ending == Ending("stopped", STOPPED, "a checkpoint is written")
    assert waiting.state == NOT_RUN


def test_a_job_stops_with_a_checkpoint_when_its_coordinator_is_killed(tmp_path):
    folder = SweepFolder.create(tmp_path / "sweep", [["a"]], "pool")
    command = [sys.executable, "-c", f"{BEGIN}\nassert joins_pool()\n{SLEEP_UNTIL_STOPPED}"]
    coordinator = os.fork()
    if coordinator == 0:
        folder.begin(0, ["a"])
        kept = pool.start_job(0, Worker(None, 1), folder, command)
        time.sleep(60)
        os._exit(kept.pid)
    wait_until(lambda: folder.log(0).exists() and "ready" in folder.log(0).read_text())
    os.kill(coordinator, signal.SIGKILL)
    os.waitpid(coordinator, 0)
    wait_until(lambda: folder.ending(0) is not None)
    assert folder.ending(0).state == "stopped"


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
