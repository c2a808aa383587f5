"""A run in a process that another run was in before is the run that it would be alone."""

import os
import signal

import pytest
import torch

from experiments.tasks.cifar100.task import CIFAR100
from tests.experiments.training.test_run import assert_equal_runs


def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "cudnn": [getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")],
        "precision": torch.get_float32_matmul_precision(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def test_what_a_run_changes_in_its_process_is_put_back(run_in_sweep, monkeypatch, tmp_path):
    before, usual = state(), CIFAR100.build_data

    def reckless(self, cfg, device):
        os.environ["WANDB_RUN_GROUP"] = "of the first run"
        os.environ.pop("HOME", None)
        os.chdir(tmp_path)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(2)
        splits = usual(self, cfg, device)
        torch.set_default_dtype(torch.float64)
        return splits

    monkeypatch.setattr(CIFAR100, "build_data", reckless)
    run_in_sweep("trainer.max_steps=1")
    assert state() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "before",
    [
        ["act=prelu", "seed=5", "trainer.precision=bfloat16", "model.width=4"],
        ["act=gelu", "optim=adamw", "trainer.channels_last=false", "optim.optimizer.lr=1e9"],
    ],
)
def test_a_run_after_another_equals_the_run_alone(run, run_in_sweep, tmp_path, before):
    alone = run("act=carelu", "seed=1", f"output_root={tmp_path / 'alone'}")
    run_in_sweep(*before)
    run_in_sweep("act=carelu", "seed=1")
    assert_equal_runs(run("act=carelu", "seed=1"), alone)  # answers with what the sweep left


@pytest.mark.slow
def test_what_was_compiled_for_a_run_is_forgotten(run_in_sweep, monkeypatch, tmp_path):
    usual, compiled = torch.nn.Module.compile, []

    def recording(graph, examples):
        compiled.append(graph.code)
        return graph.forward

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: usual(self, backend=recording))
    wanted = ["trainer.compile=true", "trainer.max_steps=2"]
    torch.compiler.reset()
    run_in_sweep(*wanted, f"output_root={tmp_path / 'alone'}")
    alone = compiled.copy()
    run_in_sweep(*wanted, "trainer.batch_size=10")
    compiled.clear()
    run_in_sweep(*wanted)
    assert alone == compiled != []


@pytest.mark.slow
@pytest.mark.usefixtures("no_login")
def test_a_run_without_wandb_after_one_with_it_knows_nothing_of_it(run_in_sweep, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_SILENT", raising=False)
    before = dict(os.environ)
    assert run_in_sweep("logger=wandb", "trainer.max_steps=1").state == "done"
    assert dict(os.environ) == before
    assert run_in_sweep("seed=1", "trainer.max_steps=1").state == "done"
    assert len(list(tmp_path.rglob("*.wandb"))) == 1
    assert run_in_sweep("logger=wandb", "seed=2", "trainer.max_steps=1").state == "done"
    assert len(list(tmp_path.rglob("*.wandb"))) == 2
