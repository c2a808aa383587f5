"""docs/adding-an-activation.md, followed to the letter."""

import importlib
import re
import shlex
import shutil
import sys

import pytest
import torch

import carelu.activations
from carelu import ActivationFactory, activation_names, registry
from experiments.configuration import composition
from experiments.configuration.command_line import check_command
from experiments.training.activation_check import IMAGES, TOKENS, check_site
from tests import forked
from tests.conftest import ROOT, TINY_NETWORK
from tests.docs.pages import blocks, commands
from tests.docs.performing import in_folder, shortened
from tests.forked import perform

PAGE = ROOT / "docs/adding-an-activation.md"
FOLDER = "my_activations"
OWN = ["softsign", "square_plus", "channel_swish"]


@pytest.fixture
def forgets(monkeypatch):
    """What a test registers is known until its end."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


@pytest.fixture
def folder(tmp_path):
    """The folder of one's own, with every file that the page tells to write."""
    for block in [*blocks(PAGE, "python"), *blocks(PAGE, "yaml")]:
        if block.title.startswith(f"{FOLDER}/"):
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            assert not file.exists()
            file.write_text(block.code, encoding="utf-8")
    return tmp_path / FOLDER


@pytest.fixture
def own(folder, forgets, monkeypatch):
    """The activations of one's own can be chosen by their names."""
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv(composition.FOLDERS_VARIABLE, str(folder / "configs"))
    yield
    for file in folder.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture
def hard_swish(forgets, monkeypatch, tmp_path):
    """The class and the file of an activation in the library."""
    (file,) = (block for block in blocks(PAGE, "yaml") if block.title.startswith("configs/act/"))
    (code,) = (block for block in blocks(PAGE, "python") if block.title == "carelu/activations.py")
    configs = tmp_path / "configs"
    shutil.copytree(composition.CONFIG_DIR, configs)
    (tmp_path / file.title).write_text(file.code, encoding="utf-8")
    monkeypatch.setattr(composition, "CONFIG_DIR", configs)
    exec(code.code, dict(vars(carelu.activations)))


def test_the_library_gets_an_activation_by_one_class_and_one_file(hard_swish, run):
    assert "hard_swish" in activation_names()
    assert "hard_swish" in composition.options_of("act")
    check_command(["act=hard_swish"])
    outcome = run("act=hard_swish", "trainer.max_steps=1")
    assert (outcome.result["act"], outcome.result["status"]) == ("hard_swish", "finished")
    z = torch.linspace(-4, 4, 9)
    torch.testing.assert_close(ActivationFactory("hard_swish")(4, (1, 2, 3))(z), z * (z + 3).clamp(0, 6) / 6)


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_an_example_trains_on_images_and_works_in_text(own, run, name):
    check_command([f"act={name}"])
    outcome = run(f"act={name}", "trainer.max_steps=1")
    assert (outcome.result["act"], outcome.result["status"], outcome.result["steps"]) == (name, "finished", 1)
    for site in (IMAGES, TOKENS):
        check_site(ActivationFactory(name), site, "bfloat16", torch.device("cpu"))


def test_an_option_of_the_example_is_that_of_its_class(own):
    importlib.import_module("my_square_plus")
    at_zero = ActivationFactory("square_plus", b=0.25).stand_alone()(torch.zeros(1))
    assert at_zero.item() == 0.25


def test_a_learned_parameter_belongs_to_the_channels_of_its_site(own):
    importlib.import_module("my_channel_swish")
    factory = ActivationFactory("channel_swish")
    slopes = torch.tensor([0.0, 1.0, 2.0])
    for sample_dims, shape in (((1, 2, 3), (2, 3, 4, 4)), ((2,), (2, 5, 3)), ((1,), (2, 3))):
        module, z = factory(3, sample_dims=sample_dims), torch.randn(shape)
        with torch.no_grad():
            module.b.copy_(slopes)
        along = slopes.view([-1 if dim == sample_dims[0] else 1 for dim in range(z.ndim)])
        torch.testing.assert_close(module(z), z * torch.sigmoid(along * z))
    assert factory.stand_alone().b.shape == (1,)


def test_the_comment_of_a_file_says_what_each_option_is():
    for block in blocks(PAGE, "yaml"):
        assert all("#" in line for line in block.code.splitlines()), block
        assert re.match(r"# \w", block.code), block


@pytest.mark.slow
def test_an_activation_of_ones_own_trains_by_the_commands_of_the_page(folder, tiny_cifar100):
    """In processes of their own; nothing in the checkout changes."""
    first, with_option, *_ = (block for block in blocks(PAGE, "bash") if block.mark == f"needs {FOLDER}")
    export, *lines = (*commands(first), *commands(with_option))
    variables = dict(word.split("=") for word in shlex.split(export)[1:])
    small = [*TINY_NETWORK["cifar100"], "trainer.max_steps=2", "output_root=outputs"]
    for line in lines:
        _, *words = shlex.split(line)
        done = forked.run([*words, *small], folder.parent, variables)
        assert done.returncode == 0, done.stderr
        assert "carelu" not in done.stdout
    recorded = (folder.parent / "outputs/ledger.csv").read_text(encoding="utf-8")
    assert "square_plus" in recorded and "softsign" in recorded


@pytest.mark.slow
def test_an_activation_of_ones_own_is_compared_by_the_commands_of_the_page(own, folder, no_login, capsys):
    *_, block = (block for block in blocks(PAGE, "bash") if block.mark == f"needs {FOLDER}")
    with in_folder(folder.parent):
        for command in commands(block):
            assert perform(shortened(command)) == 0, f"{command}: {capsys.readouterr().err}"
    for made in ("tables/cifar100.md", "figures/captions.md", "report.html"):
        assert "channel_swish" in (folder.parent / made).read_text(encoding="utf-8"), made
    assert list((folder.parent / "outputs/wandb").glob("offline-run-*"))
