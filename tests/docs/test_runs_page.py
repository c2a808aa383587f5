"""docs/runs.md: each of its commands is performed, on runs of the three tasks."""

import importlib
import shlex

import pytest
from PIL import Image

from experiments.configuration.composition import compose
from experiments.tasks.superres.bsds300 import SAMPLE_DIR
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import ROOT, TINY_NETWORK
from tests.docs.pages import blocks, commands

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/runs.md"

TINY = {task: [*settings, "trainer.max_steps=1"] for task, settings in TINY_NETWORK.items()}

OF_TASK = {"set14": "superres", "data=folder": "superres", "data=csv": "text", "texts.txt": "text", "photo": "superres"}
"""A part of a command that only the run of one task can answer; the others are of CIFAR-100."""


@pytest.fixture
def place(tmp_path, monkeypatch, tiny_cifar100, few_photographs):
    """Makes finished runs of the three tasks and the files that the page names; the folder of a run by its task."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for task, tiny in TINY.items():
        for act in ("relu", "carelu") if task == "cifar100" else ("carelu",):  # the page compares two of CIFAR-100
            settings = [f"task={task}", f"act={act}", "data=sample", "recipe=small", *tiny]
            found[task] = Run(*compose(settings), Display(quiet=True)).complete().identity.directory
    (tmp_path / "FOLDER" / "set14").mkdir(parents=True)
    photograph = Image.open(next((SAMPLE_DIR / "test").iterdir())).crop((0, 0, 60, 50))
    for name in ("cat.png", "dog.jpg", "photo.png", "FOLDER/one.png", "FOLDER/set14/one.png"):
        photograph.save(tmp_path / name)
    (tmp_path / "texts.txt").write_text("A man sleeps.\tHe runs.\n")
    (tmp_path / "FILE.csv").write_text("premise,hypothesis,label\nA man sleeps.,He runs.,contradiction\n")
    return found


def test_every_command_of_the_page_works(place, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda question: "n")
    done = 0
    for command in (line for block in blocks(PAGE, "bash") for line in commands(block)):
        _, script, *words = shlex.split(command)
        task = next((task for part, task in OF_TASK.items() if part in command), "cifar100")
        words = [str(place[task]) if word == "RUN" else word.replace("=FILE", "=FILE.csv") for word in words]
        monkeypatch.setattr("sys.argv", [script, *words])
        code = importlib.import_module(script.removesuffix(".py").replace("/", ".")).main()
        assert code == 0, f"{command}: {capsys.readouterr().err}"
        done += 1
    assert done >= 14
