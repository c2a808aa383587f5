"""The code of README, CONTRIBUTING and docs/, run or checked.

A Python block without a title is run after those above it on its page; one with a title is a file that the page tells
to write. A command is checked as it stands, before any work starts; test_commands.py performs it, shortened.
"""

import importlib.util
import re
import shlex

import pytest

from carelu import registry
from experiments.configuration.command_line import check_command
from experiments.sweep.questions import split_questions
from tests.conftest import ROOT
from tests.docs.pages import PAGES, blocks, commands

SHELL_BLOCKS = [block for page in PAGES for block in blocks(page, "bash")]
COMMANDS = [(block, command) for block in SHELL_BLOCKS for command in commands(block)]
OWN_FILES = ("needs my_tasks", "needs my_activations")
"""The marks of blocks that need what their page tells to write; the tests of these pages run them."""


def of_run(command):
    """What follows `run.py` in a command, or None."""
    words = shlex.split(command)
    return next((words[place + 1 :] for place, word in enumerate(words) if word == "run.py"), None)


RUNS = [(block, command) for block, command in COMMANDS if of_run(command) is not None and block.mark not in OWN_FILES]
SCRIPTS = [(block, command) for block, command in COMMANDS if command.startswith("python scripts/")]


def shown(case):
    block, command = case
    return f"{block} {command}"


@pytest.fixture
def forgets_new_activations(monkeypatch):
    """What a page registers is known until the end of the test."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page, forgets_new_activations, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for block in blocks(page, "python"):
        if block.mark == "needs timm" and not importlib.util.find_spec("timm"):
            continue
        if not block.title:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), namespace)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """One folder for all, as what was composed is known again in the same working directory alone."""
    return tmp_path_factory.mktemp("empty")


@pytest.mark.slow
@pytest.mark.parametrize("case", RUNS, ids=shown)
def test_a_command_is_accepted(case, monkeypatch, empty, tmp_path):
    block, command = case
    if block.mark == "needs Slurm":
        (tmp_path / "sbatch").touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(empty)
    arguments, _ = split_questions(of_run(command))
    if "--help" not in arguments:
        check_command(arguments)


@pytest.mark.parametrize("case", SCRIPTS, ids=shown)
def test_a_script_has_the_options_that_it_is_given(case):
    words = shlex.split(case[1])
    script = ROOT / next(word for word in words if word.startswith("scripts/"))
    shared = (ROOT / "experiments" / each for each in ("report/command.py", "benchmarking/options.py"))
    source = "".join(file.read_text(encoding="utf-8") for file in (script, *shared))
    assert [word for word in words if word.startswith("--") and f'"{word}"' not in source] == []


def test_every_target_of_make_exists():
    named = {word for _, command in COMMANDS for word in re.findall(r"^make ([\w-]+)", command)}
    named |= {word for page in PAGES for word in re.findall(r"`make ([\w-]+)`", page.read_text(encoding="utf-8"))}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert named and named <= targets


def test_the_pages_have_commands_and_python_to_check():
    assert len(RUNS) > 20 and len(SCRIPTS) > 10
