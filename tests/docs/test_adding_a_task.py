"""docs/adding-a-task.md, followed to the letter in an empty folder."""

import csv
import shlex

import pytest

from tests import forked
from tests.conftest import ROOT
from tests.docs.pages import blocks, commands

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/adding-a-task.md"
SMALL = ["trainer.epochs=1", "data.points=200", "model.width=4", "trainer.device=cpu"]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder in which the page's files were written and its commands were run, the training shortened."""
    folder = tmp_path_factory.mktemp("task")
    for language in ("python", "yaml"):
        for block in blocks(PAGE, language):
            file = folder / "my_tasks" / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    variables = {}
    for words in (shlex.split(line) for block in blocks(PAGE, "bash") for line in commands(block)):
        if words[0] == "export":
            variables |= dict(word.split("=", 1) for word in words[1:])
            continue
        shorter = SMALL if words[1] == "run.py" else []
        done = forked.run([*words[1:], *shorter], folder, variables)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_task_is_added_by_the_files_of_the_page_alone_and_trains(followed):
    with (followed / "outputs/ledger.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["task"], row["act"], row["seed"], row["status"]) for row in rows} == {
        ("spirals", act, str(seed), "finished") for act in ("relu", "carelu") for seed in (0, 1, 2)
    }


def test_its_tables_come_out(followed):
    assert "accuracy" in (followed / "tables/spirals.md").read_text(encoding="utf-8")
