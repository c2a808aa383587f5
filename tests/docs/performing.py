"""Performs a command of a page in this process, shortened so that it takes a second or two."""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig

from experiments.tasks.cifar100 import dataset as cifar100
from tests.conftest import ROOT, TINY_NETWORK, use_few_photographs
from tests.faults.injections import use_few_images

LESS = {
    # Every run of a sweep is composed and looked up, none is trained.
    "+experiment=paper_all": ["act=relu,carelu", "seed=0", "--dry-run"],
    "+experiment=competition": ["act.options.alpha=0,1", "--dry-run"],
    "hydra/launcher=pool": ["task=cifar100", "--dry-run"],
    "+find=lr": ["trainer.batch_size=4"],
    "hydra/sweeper=verdict": ["hydra.sweeper.max_hours=1e-6"],
    "act=relu,channel_swish": ["task=cifar100"],
    "logger=wandb": ["logger.mode=offline"],
    "replay_wandb.py --ledger": ["--run-id", "{run_id}"],
    "replay_wandb.py": ["--mode", "offline"],
    "log_comparison.py": ["--mode", "offline"],
    "simulate_": ["--samples", "5"],
    "benchmark_activations.py": [
        *("--activations", "relu", "carelu", "--network", "resnet18", "--dtype", "float32", "--layout", "contiguous"),
        *("--rounds", "1"),
    ],
    "benchmark_training.py": ["--benchmark", "augmentation", "--task", "cifar100", "--rounds", "1"],
    "publish_results.py": ["--allow-dirty"],
}
"""What is added to a command, by a part of it. An option that is given twice counts as given last."""


def shortened(command: str) -> list[str]:
    """The words of a command that is shorter: the sample, few steps of a tiny network, one seed, little to measure."""
    words = [word for word in shlex.split(command) if word != "python"]
    added = [word for part, words_of_part in LESS.items() if part in command for word in words_of_part]
    if words[0] != "run.py" or words[-1] == "--help":
        return [*words, *added]
    tasks = [word.removeprefix("task=") for word in [*words, *added] if word.startswith("task=")] or ["cifar100"]
    if "+experiment" not in command:
        added += ["data=sample", "recipe=small", "trainer.max_steps=1", *TINY_NETWORK[tasks[-1]]]
    if "hydra/sweeper=verdict" not in command and "seed=" in command:
        added.append("seed=0")
    if tasks[-1] != "cifar100":
        added.append("output_root=others")  # tables and figures of one task take less time
    if "data=folder" in words or "data=csv" in words:
        added.remove("data=sample")
    given = {word.partition("=")[0] for word in added}
    replaced = given & {"seed", "task", "act"}
    kept = [word for word in words if word.partition("=")[0] not in replaced]
    own = {word.partition("=")[0] for word in kept if "=" in word}
    return [*kept, *(word for word in added if word.startswith("-") or word.partition("=")[0] not in own)]


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Commands are performed there, on few and small images; what they leave in this process is put back."""
    of_hydra = HydraConfig.instance().cfg
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRA_FULL_ERROR", "1")  # run.py sets it
        patch.setattr(cifar100, "load_sample", cifar100.load_sample)  # put back at the end
        use_few_images()
        use_few_photographs(patch, folder / "photographs")
        yield
    HydraConfig.instance().cfg = of_hydra


def exists(words: list[str]) -> bool:
    """Whether the first word is the command or a script of this project."""
    return words[0] == "run.py" or (Path(words[0]).parent == Path("scripts") and (ROOT / words[0]).is_file())
