"""One run in two processes: the numbers of one process, one record, and an end that both ranks agree on.

The ranks use gloo on the CPU, as under torchrun. They are forked from a server that has imported torch once. GPUs
(NCCL, nn.SyncBatchNorm) are not tested here.
"""

import json
import multiprocessing
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from experiments.configuration.composition import compose
from experiments.distributed.torchrun import read_torchrun
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.run_directory import RunDirectory, read_metrics
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.superres.task import SuperResolution
from experiments.tasks.text import dataset as text_sets
from experiments.tasks.text.task import TextClassification
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import ROOT, TINY_NETWORK
from tests.experiments.tasks.superres.test_task import save_images

GROUPS_BY_TASK = {
    "cifar100": [
        "data=sample",
        *TINY_NETWORK["cifar100"],
        "trainer.batch_size=101",
        "trainer.epochs=1",
        "optim.optimizer.lr=1e-3",
    ],
    "superres": [
        *("data=folder", "model.blocks=1", "model.features=4", "task.patch=6", "task.steps_per_epoch=3"),
        *("trainer.batch_size=3", "trainer.epochs=2", "trainer.evaluate_every=1"),
    ],
    "text": [
        *("data=sample", "data.vocabulary_size=500", "data.tokens_per_batch=1024", "trainer.batch_size=21"),
        *("model.layers=1", "model.width=8", "model.head_size=4", "trainer.epochs=2"),
    ],
}
"""Tiny runs; most batches of theirs cannot be cut into two equal halves."""

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__, "transformers.models.bert.modeling_bert"])


class Recorder(Display):
    """Shows nothing and keeps the loss of each step."""

    def __init__(self):
        super().__init__(quiet=True)
        self.losses = []

    def step(self, done_steps, epoch, epochs, values):
        self.losses.append(values["loss"])


def few(load, rows=90):
    """The first rows of a text set."""

    def loaded(data):
        whole = load(data)
        return replace(whole, parts={name: part[np.arange(min(rows, len(part)))] for name, part in whole.parts.items()})

    return loaded


def train(overrides, disturb=None):
    """Performs a run on little data; returns its status (None if it was stopped), folder and losses."""
    sample = [part[torch.arange(0, len(part), len(part) // 250)] for part in cifar100.load_sample()]
    cifar100.load_sample = lambda: sample
    text_sets.load = few(text_sets.load)
    if disturb:
        disturb()
    display = Recorder()
    outcome = Run(*compose(overrides), display).complete()
    return outcome.result and outcome.result["status"], outcome.identity.directory, display.losses


def in_process(rank, action):
    """`action`, taken in the process of that number alone."""
    if read_torchrun().rank == rank:
        action()


def at_step(number, action, task=SuperResolution):
    """Lets `action` happen in the forward pass of the `number`-th step."""
    usual, seen = task.loss, []

    def loss(self, model, batch):
        seen.append(1)
        if len(seen) == number:
            action()
        return usual(self, model, batch)

    task.loss = loss


def fail():
    raise RuntimeError("out of luck")


def refuse(*_):
    raise BadInput("not like this")


def kill_this_process():
    os.kill(os.getpid(), signal.SIGKILL)


def find_disk_full():
    RunDirectory.save = refuse


def find_no_data():
    SuperResolution.build_data = refuse


def measure_own_batches():
    SuperResolution.evaluate = lambda self, model, batches: {"psnr_y": float(len(list(batches)))}


def stop_before_training():
    def stopped(*_):
        raise KeyboardInterrupt

    SuperResolution.build_data = stopped


def forbid_groups():
    torch.distributed.init_process_group = fail


def _act(rank, count, port, answer, action, arguments):
    torch.set_num_threads(1)
    os.environ.update(WORLD_SIZE=f"{count}", RANK=f"{rank}", LOCAL_WORLD_SIZE=f"{count}", LOCAL_RANK=f"{rank}")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=f"{port}", TORCHELASTIC_USE_AGENT_STORE="True")
    try:
        answer.send(action(*arguments))
    except Exception as error:
        answer.send((type(error).__name__, str(error)))


def in_processes(count, action, *arguments):
    """What `action(*arguments)` returned or raised in each of `count` processes; None for one that was killed."""
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # torchrun's part
    started = []
    for rank in range(count):
        question, answer = processes.Pipe(duplex=False)
        process = processes.Process(target=_act, args=(rank, count, store.port, answer, action, arguments), daemon=True)
        process.start()
        answer.close()
        started.append((process, question))
    answers = []
    for process, question in started:
        process.join(200)
        assert process.exitcode is not None, "a process waits for ever"
        answers.append(question.recv() if process.exitcode == 0 else None)
    return answers


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Where tasks find their data."""
    folder = tmp_path_factory.mktemp("data")
    save_images(folder / "train", [(40, 50), (61, 42)])
    save_images(folder / "test", [(40, 50), (51, 42), (44, 44)])
    return {
        "superres": [f"data.train={folder / 'train'}", f"data.test={folder / 'test'}"],
        "text": [f"data.cache={folder / 'tokens'}"],
    }


@pytest.fixture
def settings(places, tmp_path):
    """The settings of a tiny run, kept in a folder of this test."""

    def of_task(*overrides, task="superres", kept="runs"):
        chosen = [f"task={task}", "recipe=small", "act=carelu", "trainer.device=cpu"]
        return [*chosen, *GROUPS_BY_TASK[task], *places.get(task, []), f"output_root={tmp_path / kept}", *overrides]

    return of_task


def records_of(folder):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in read_metrics(folder / "metrics.jsonl")]


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def weights_of(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["model"]


def assert_equal_runs(folder, expected):
    weights, expected_weights = weights_of(folder), weights_of(expected)
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    assert records_of(folder) == records_of(expected)


@pytest.mark.slow
@pytest.mark.parametrize("task", GROUPS_BY_TASK)
def test_two_processes_compute_the_run_of_one(settings, task):
    """Losses and PSNR within 1e-5 of their size (1e-3 where batch normalisation amplifies rounding), shares of hits
    within 2.5 %; without dropout, whose draws differ.
    """
    tolerance = 1e-3 if task == "cifar100" else 1e-5
    still = ["model.dropout=0"] if task == "text" else []
    ((_, alone, losses),) = in_processes(1, train, settings(*still, task=task, kept="alone"))
    (status, folder, first), (_, _, second) = in_processes(2, train, settings(*still, task=task))
    assert status == "finished"
    assert len(losses) >= 3
    assert first == second == pytest.approx(losses, rel=tolerance)
    for record, expected in zip(records_of(folder), records_of(alone), strict=True):
        layers, expected_layers = record.pop("activations"), expected.pop("activations")
        assert layers.keys() == expected_layers.keys()
        for layer, values in expected_layers.items():
            assert layers[layer] == pytest.approx(values, rel=10 * tolerance, abs=10 * tolerance), layer
        assert record.keys() == expected.keys()
        for key, value in record.items():
            is_share = key.endswith(("top1", "top5", "accuracy", "macro_f1"))
            assert value == pytest.approx(expected[key], rel=tolerance, abs=2.5 if is_share else 0), key
    for name, value in weights_of(alone).items():
        torch.testing.assert_close(weights_of(folder)[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_a_task_that_does_not_all_reduce_its_metrics_fails(settings):
    (status, folder, _), _ = in_processes(2, train, settings(), measure_own_batches)
    assert status == "failed"
    assert "all_reduce_sum" in result_of(folder)["reason"]


@pytest.mark.slow
def test_the_record_holds_the_number_of_processes(settings, tmp_path):
    answers = in_processes(2, train, settings())
    folder = answers[0][1]
    ((row,), _) = ledger.read(tmp_path / "runs" / "ledger.csv")
    assert row.device.startswith("2 × ")
    assert shlex.split(row.command)[:3] == ["torchrun", "--nproc_per_node=2", "run.py"]
    assert json.loads((folder / "environment.json").read_text())["processes"] == 2
    assert in_processes(1, train, settings())[0][:2] == ("finished", folder)  # done once, whoever asks


@pytest.mark.slow
def test_a_single_process_makes_no_process_group(settings):
    assert in_processes(1, train, settings(), forbid_groups)[0][0] == "finished"


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_both_and_only_two_ranks_resume_bit_equally(settings):
    """With dropout, whose draws are those of the undisturbed run."""
    expected = in_processes(2, train, settings(task="text", kept="undisturbed"))[0][1]
    stop = partial(at_step, 4, partial(signal.raise_signal, signal.SIGTERM), TextClassification)
    (status, folder, _), (other, _, _) = in_processes(2, train, settings(task="text"), partial(in_process, 1, stop))
    assert status is other is None
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["counters"]["steps"] == 4
    ((kind, said),) = in_processes(1, train, settings(task="text"))
    assert kind == "BadInput"
    assert "started with processes 2" in said
    assert "cannot be resumed with processes 1" in said
    assert in_processes(2, train, settings(task="text"))[0][0] == "finished"
    assert_equal_runs(folder, expected)


@pytest.mark.slow
def test_both_ranks_see_the_same_divergence(settings):
    answers = in_processes(2, train, settings("optim.optimizer.lr=1e9", "trainer.epochs=5"))
    assert [answer[0] for answer in answers] == ["diverged", "diverged"]


@pytest.mark.slow
def test_an_exception_on_one_rank_is_the_recorded_reason(settings, tmp_path):
    (status, folder, _), other = in_processes(2, train, settings(), partial(in_process, 1, partial(at_step, 3, fail)))
    assert (status, other) == ("failed", ("RuntimeError", "out of luck"))
    ((row,), _) = ledger.read(tmp_path / "runs" / "ledger.csv")
    assert row.status == "failed"
    assert result_of(folder)["reason"].startswith("RuntimeError: out of luck (see ")
    assert "in fail" in (folder / "traceback.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "mistake"), [(0, find_disk_full), (1, find_no_data)])
def test_a_mistake_found_on_any_rank_is_reported_by_rank_0(settings, rank, mistake):
    answers = in_processes(2, train, settings(), partial(in_process, rank, mistake))
    assert answers == [("BadInput", "not like this"), ("OtherProcessFailed", "")]


@pytest.mark.slow
def test_a_killed_rank_ends_the_other_and_the_same_command_resumes(settings):
    expected = in_processes(2, train, settings(kept="undisturbed"))[0][1]
    first, other = in_processes(2, train, settings(), partial(in_process, 1, partial(at_step, 5, kill_this_process)))
    assert first[0] == "OtherProcessFailed"
    assert "another process of this run is gone" in first[1]
    assert other is None
    status, folder, losses = in_processes(2, train, settings())[0]
    assert (status, len(losses)) == ("finished", 3)  # from the checkpoint after the first epoch
    assert_equal_runs(folder, expected)


@pytest.mark.slow
def test_a_signal_before_training_stops_both_ranks_and_records_nothing(settings):
    first, other = in_processes(2, train, settings(), partial(in_process, 1, stop_before_training))
    assert first == ("OtherProcessFailed", "")
    assert other is None
    assert in_processes(2, train, settings())[0][0] == "finished"


@pytest.mark.slow
def test_a_batch_with_fewer_examples_than_processes_is_refused(settings):
    answers = in_processes(2, train, settings("trainer.batch_size=1"))
    assert answers[0][0] == "BadInput"
    assert "smallest batch of an epoch has 1 examples, too few for 2 processes" in answers[0][1]
    assert answers[1] == ("OtherProcessFailed", "")


LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]


@pytest.mark.slow
def test_one_gpu_for_all_processes_is_refused(settings):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    answers = in_processes(2, train, settings("trainer.device=cuda:0"))
    assert re.search("trainer.device=cuda:0 .*accepted: auto", answers[0][1])


def workers_of(process):
    """The processes that a torchrun started."""
    listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout
    return [int(pid) for pid in listed.split()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(process, words):
    """Reads what the process says up to a line that begins with `words`."""
    for line in process.stdout:
        if line.startswith(words):
            return
    pytest.fail(f"it never said {words!r}: {process.stderr.read()}")


@pytest.mark.slow
def test_a_torchrun_job_killed_in_every_way_ends_equal_to_an_undisturbed_one(settings, tmp_path):
    """torchrun itself, then a worker with --max-restarts=1, then SIGTERM as a cluster sends it."""
    more = ["trainer.epochs=6", "task.steps_per_epoch=20"]
    command = [*LAUNCHER, "--max-restarts=1", str(ROOT / "run.py"), *settings(*more)]

    def start():
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    job = start()
    wait_for(job, "epoch   1/6")
    workers = workers_of(job)
    job.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_running, workers))
    job.communicate()

    job = start()
    wait_for(job, "resumed")
    os.kill(workers_of(job)[1], signal.SIGKILL)
    wait_for(job, "resumed")
    wait_for(job, "epoch")
    job.send_signal(signal.SIGTERM)
    said, _ = job.communicate(timeout=100)
    assert "repeat the same command" in said

    job = start()
    said, complained = job.communicate(timeout=200)
    assert job.returncode == 0, complained
    assert said.count("\nmodel ") == said.count("compare with") == 1
    expected = in_processes(2, train, settings(*more, kept="undisturbed"))[0][1]
    (folder,) = (file.parent for file in (tmp_path / "runs").rglob("result.json"))
    assert_equal_runs(folder, expected)
    assert len(ledger.read(tmp_path / "runs" / "ledger.csv")[0]) == 1
