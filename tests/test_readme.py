"""The README's own words, run."""

import re
import shutil
import subprocess
import sys

import pytest
import torch

import carelu.activations
from carelu import ActivationFactory, activation_names
from carelu.registry import unregister
from experiments.configuration import composition as configuration
from experiments.configuration.command_line import check_command
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language, after=""):
    return re.findall(rf"```{language}\n(.*?)```", README[README.index(after) :], re.DOTALL)


def test_the_python_example_runs():
    subprocess.run([sys.executable, "-c", blocks("python")[0]], check=True, capture_output=True, text=True)


@pytest.fixture
def walked_through(monkeypatch, tmp_path):
    """Does what "Add an activation" says: one class in carelu/activations.py, one file in configs/act/."""
    class_block, yaml_block = (blocks(language, "## Add an activation")[0] for language in ("python", "yaml"))
    configs = tmp_path / "configs"
    shutil.copytree(configuration.CONFIG_DIR, configs)
    name = re.search(r"^name: (\w+)", yaml_block, re.MULTILINE).group(1)
    (configs / "act" / f"{name}.yaml").write_text(yaml_block, encoding="utf-8")
    monkeypatch.setattr(configuration, "CONFIG_DIR", configs)
    exec(class_block, dict(vars(carelu.activations)))
    yield name
    unregister(name)


def test_an_activation_is_added_by_one_class_and_one_file_and_trains(walked_through, run):
    assert walked_through in activation_names()
    assert walked_through in configuration.options_of("act")
    check_command([f"act={walked_through}"])
    outcome = run(f"act={walked_through}", "trainer.max_steps=1")
    assert (outcome.result["act"], outcome.result["status"], outcome.result["steps"]) == (walked_through, "finished", 1)
    module = ActivationFactory(walked_through)(channels=4, sample_dims=(1, 2, 3))
    z = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(module(z), z * (z + 3).clamp(0, 6) / 6)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if "run.py" in line]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_is_accepted(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = command.split("run.py")[-1].split("#")[0].split()
    if "--help" not in arguments:
        check_command(arguments)
