"""Configuration that installed packages bring."""

import importlib
import os
import subprocess
import sys

import pytest

from experiments.configuration import plugins
from experiments.configuration.composition import compose, config_folders, options_of
from experiments.configuration.plugins import installed_folders
from tests.conftest import ROOT
from tests.docs.pages import blocks
from tests.installed_package import install

HALVED = '''
from torch import nn

class Halved(nn.Module):
    """max(z, 0) / 2. An example of the tests."""

    def forward(self, z):
        return z.clamp(min=0) / 2
'''
FILES = {
    "somebody/__init__.py": "raise ImportError('listing options imports no package')",
    "somebody/acts/__init__.py": "",
    "somebody/configs/act/halved.yaml": "# Half of ReLU\nname: halved # as the entry point\noptions: {} # none\n",
}


@pytest.fixture
def installed(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)

    def offer(files, **entry_points):
        groups = {group.replace("_", "."): line for group, line in entry_points.items()}
        install(tmp_path, "somebody", files, groups)
        importlib.invalidate_caches()
        return tmp_path

    return offer


def test_the_installed_packages_are_searched_once(installed, monkeypatch):
    """A ledger asks for the folders a thousand times, and a search reads the metadata of every package."""
    searched, usual = [], plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda **group: searched.append(group) or usual(**group))
    installed({}, experiments_tasks="somebody = somebody.tasks")
    first = installed_folders()
    assert len(searched) == len(plugins.GROUPS)
    assert installed_folders() == first and len(searched) == len(plugins.GROUPS)


def test_without_such_a_package_there_is_no_further_folder():
    assert installed_folders() == []


@pytest.mark.parametrize("value", ["somebody", "somebody.acts:Halved"])
def test_the_folder_of_configuration_is_found_without_an_import(installed, value):
    folder = installed(FILES, carelu_activations=f"halved = {value}")

    assert installed_folders() == [folder / "somebody/configs"]
    assert config_folders()[-1] == folder / "somebody/configs"
    assert options_of("act")["halved"] == "Half of ReLU"


def test_its_options_compose(installed):
    installed(FILES, carelu_activations="halved = somebody")

    cfg, choices = compose(["act=halved"])

    assert (cfg.act.name, choices["act"]) == ("halved", "halved")


def test_a_package_without_configuration_or_without_files_changes_nothing(installed):
    installed({"somebody/__init__.py": ""}, carelu_activations="halved = somebody")
    assert installed_folders() == []
    installed({}, carelu_activations="halved = gone")
    assert installed_folders() == []


@pytest.fixture(scope="module")
def with_packages(tmp_path_factory):
    """A folder as site-packages is, with an activation and with the task of the guide; runs a script with it."""
    folder = tmp_path_factory.mktemp("site-packages")
    activation = {**FILES, "somebody/__init__.py": HALVED}
    install(folder, "somebody", activation, {"carelu.activations": "halved = somebody:Halved"})
    page = ROOT / "docs/adding-a-task.md"
    task = {block.title: block.code for language in ("python", "yaml") for block in blocks(page, language)}
    task = {f"spirals/{path}" if path.startswith("configs/") else path: code for path, code in task.items()}
    install(folder, "spirals", task, {"experiments.tasks": "spirals = spirals"})

    def run(script, *arguments):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        command = [sys.executable, str(ROOT / script), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run, folder


@pytest.mark.slow
def test_help_lists_what_is_installed(with_packages):
    run, _ = with_packages
    text = run("run.py", "--help")
    assert "halved             Half of ReLU" in text
    assert "spirals            Two spirals, an MLP" in text


@pytest.mark.slow
def test_an_installed_activation_trains_on_an_installed_task_and_is_tabled_and_drawn(with_packages):
    run, folder = with_packages
    small = ["trainer.epochs=1", "data.points=200", "model.width=4", "trainer.device=cpu", "seed=0"]
    run("run.py", "-m", "task=spirals", "act=relu,halved", *small)
    run("scripts/make_tables.py", "--ledger", "outputs/ledger.csv", "--out", "tables")
    run("scripts/make_figures.py", "--ledger", "outputs/ledger.csv", "--out", "figures")

    assert "halved" in (folder / "tables/spirals.md").read_text(encoding="utf-8")
    assert "over z: ReLU, halved." in (folder / "figures/captions.md").read_text(encoding="utf-8")
    assert (folder / "figures/responses.svg").is_file()
