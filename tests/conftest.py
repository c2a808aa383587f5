"""Fixtures that several test files need: a tiny CIFAR-100, runs on it, and the real data where it is at hand.

The suite is imported where it is needed, so that the tests of the library run without it.
"""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from experiments.training.job import Ending
    from experiments.training.run import Outcome

ROOT = Path(__file__).parent.parent

TINY_NETWORK = {
    # batch normalisation of two channels takes six times as long in channels_last
    "cifar100": ["model.width=2", "trainer.channels_last=false"],
    "superres": ["model=espcn", "task.patch=8", "trainer.batch_size=2"],
    "text": ["model=bilstm", "model.width=8"],
}
"""Settings that make the network of a task small and quick."""

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
os.environ["HF_HUB_OFFLINE"] = "1"  # no test touches the network
os.environ["TOKENIZERS_PARALLELISM"] = "false"
torch.set_num_threads(1)  # tiny models gain nothing from more, and a busy machine loses much


def pytest_collection_finish():
    """What is imported by now stays: collecting garbage need not look at it again and again."""
    gc.freeze()


@pytest.fixture(scope="session")
def sample():
    """(train, test) of the bundled sample."""
    from experiments.tasks.cifar100 import dataset as cifar100

    return cifar100.load_sample()


@pytest.fixture
def tiny_cifar100(monkeypatch, sample):
    """Makes data=sample 3 training and 2 test images of each of 20 classes: 3 steps an epoch at batch size 20."""
    from experiments.tasks.cifar100 import dataset as cifar100

    few = []
    for part, count in zip(sample, (3, 2), strict=True):
        place, of_class = torch.arange(len(part)), len(part) // 100
        few.append(part[(place % of_class < count) & (place // of_class % 5 == 0)])
    monkeypatch.setattr(cifar100, "load_sample", lambda: few)


def use_few_photographs(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes data=sample of super-resolution two photographs each to train and test on, cut to 60 × 50 pixels."""
    from PIL import Image

    from experiments.tasks.superres import bsds300, task
    from experiments.tasks.superres.batches import Source

    for part in ("train", "test"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for file in sorted((bsds300.SAMPLE_DIR / part).iterdir())[:2]:
            Image.open(file).crop((0, 0, 60, 50)).save(folder / part / f"{file.stem}.png")
    sources = [Source(folder / part, "data=sample") for part in ("train", "test")]
    patch.setitem(task.SOURCES, "sample", lambda: sources)


@pytest.fixture
def few_photographs(monkeypatch, tmp_path):
    """See `use_few_photographs`."""
    use_few_photographs(monkeypatch, tmp_path / "photographs")


@pytest.fixture
def tiny_overrides(tmp_path):
    """The settings of a run of two epochs of three steps that takes a fraction of a second."""
    return [
        "task=cifar100",
        "data=sample",
        "recipe=small",
        *TINY_NETWORK["cifar100"],
        "trainer.epochs=2",
        "trainer.batch_size=20",
        f"output_root={tmp_path / 'runs'}",
    ]


def compose_run(settings: list[str]) -> "tuple[DictConfig, dict[str, str]]":
    """Composes the settings of a run; those that differ only in `output_root=…`, the last of them, once for all."""
    from experiments.configuration.composition import compose

    places = [each for each in settings if each.startswith("output_root=")]
    cfg, choices = compose([each for each in settings if each not in places])
    cfg.output_root = places[-1].removeprefix("output_root=")
    return cfg, choices


@pytest.fixture
def run(tiny_cifar100, tiny_overrides):
    """Performs a tiny run with further settings."""
    from experiments.training.console import Display
    from experiments.training.run import Run

    def perform_with(*overrides: str) -> "Outcome":
        return Run(*compose_run([*tiny_overrides, *overrides]), Display()).complete()

    return perform_with


@pytest.fixture
def run_in_sweep(tiny_cifar100, tiny_overrides):
    """Performs a tiny run with further settings as a sweep in one process does; returns how it ended."""
    from experiments.training.job import run_job

    def perform_with(*overrides: str) -> "Ending":
        return run_job(*compose_run([*tiny_overrides, *overrides]))

    return perform_with


@pytest.fixture
def no_login(monkeypatch, tmp_path):
    """Nobody is logged in to W&B, whatever the machine holds."""
    for variable in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data sets that CARELU_TEST_DATA names; without it the test is skipped."""
    folder = os.environ.get("CARELU_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("CARELU_TEST_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture(scope="session")
def cifar100_root(real_data, tmp_path_factory):
    """A folder that holds the whole public CIFAR-100."""
    root = tmp_path_factory.mktemp("cifar100")
    subprocess.run([sys.executable, real_data / "unpack_cifar100.py", root], check=True, capture_output=True)
    return root


def run_command(*arguments: str, **options) -> subprocess.CompletedProcess:
    """`python run.py` with `arguments`, as a person would."""
    command = [sys.executable, str(ROOT / "run.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)
