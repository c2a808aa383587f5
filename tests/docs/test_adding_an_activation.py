"""docs/adding-an-activation.md, followed to the letter."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import torch

import carelu.activations
from carelu import ActivationFactory, activation_names, registry
from experiments.configuration import composition
from experiments.configuration.command_line import check_command
from tests.conftest import ROOT
from tests.docs.pages import blocks, commands

PAGE = ROOT / "docs/adding-an-activation.md"


@pytest.fixture(params=["hard_swish", "two_slopes"])
def name(request, monkeypatch, tmp_path):
    """Writes the class and the file of an activation of the page; its name."""
    (file,) = (block for block in blocks(PAGE, "yaml") if block.title == f"configs/act/{request.param}.yaml")
    (code,) = (block for block in blocks(PAGE, "python") if f'@register("{request.param}")' in block.code)
    assert code.title == "carelu/activations.py"
    configs = tmp_path / "configs"
    shutil.copytree(composition.CONFIG_DIR, configs)
    (tmp_path / file.title).write_text(file.code, encoding="utf-8")
    monkeypatch.setattr(composition, "CONFIG_DIR", configs)
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    exec(code.code, dict(vars(carelu.activations)))
    return request.param


def test_an_activation_is_added_by_one_class_and_one_file_and_trains(name, run):
    assert name in activation_names()
    assert name in composition.options_of("act")
    check_command([f"act={name}"])
    outcome = run(f"act={name}", "trainer.max_steps=1")
    assert (outcome.result["act"], outcome.result["status"], outcome.result["steps"]) == (name, "finished", 1)


@pytest.mark.parametrize("name", ["two_slopes"], indirect=True)
def test_learned_slopes_belong_to_the_channels_of_their_site(name):
    factory = ActivationFactory(name, negative=0.5)
    images, tokens = factory(3, sample_dims=(1, 2, 3)), factory(3, sample_dims=(2,))
    for module, z in ((images, torch.randn(2, 3, 4, 4)), (tokens, torch.randn(2, 5, 3))):
        assert module.negative.shape == (3,)
        torch.testing.assert_close(module(z), torch.where(z > 0, z, z / 2))


@pytest.mark.parametrize("name", ["hard_swish"], indirect=True)
def test_hard_swish_is_the_formula_in_its_docstring(name):
    z = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(ActivationFactory(name)(4, (1, 2, 3))(z), z * (z + 3).clamp(0, 6) / 6)


def test_the_comment_of_a_file_says_what_each_option_is():
    for block in blocks(PAGE, "yaml"):
        assert all("#" in line for line in block.code.splitlines()), block
        assert re.match(r"# \w", block.code), block


@pytest.mark.slow
def test_an_activation_of_ones_own_trains_by_the_command_of_the_page(tmp_path):
    """Its class has no constructor; nothing in the checkout changes."""
    own = [each for each in [*blocks(PAGE, "python"), *blocks(PAGE, "yaml")] if each.title.startswith("my_activations")]
    for block in own:
        file = tmp_path / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.code, encoding="utf-8")
    (block,) = (block for block in blocks(PAGE, "bash") if block.mark == "needs my_activations")
    variable, _, script, *words = shlex.split(commands(block)[0])
    name, _, folder = variable.partition("=")
    environment = {**os.environ, name: os.pathsep.join([str(ROOT), folder])}
    small = ["data=sample", "recipe=small", "model.width=2", "trainer.max_steps=2", "output_root=outputs"]
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *words, *small],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "outputs/ledger.csv").read_text(encoding="utf-8").count("softsign") > 0
