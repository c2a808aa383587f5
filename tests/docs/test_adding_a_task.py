"""docs/adding-a-task.md, followed to the letter in an empty folder."""

import csv
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.docs.pages import blocks, commands
from tests.docs.test_code_blocks import OWN_FILES, of_run

PAGE = ROOT / "docs/adding-a-task.md"
SMALL = ["trainer.epochs=1", "data.points=200", "model.width=4", "trainer.device=cpu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder in which the page's files were written and its command was run, shortened."""
    folder = tmp_path_factory.mktemp("task")
    for language in ("python", "yaml"):
        for block in blocks(PAGE, language):
            file = folder / "my_tasks" / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    (command,) = (line for block in blocks(PAGE, "bash") if block.mark == OWN_FILES for line in commands(block))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["my_tasks", str(ROOT)])}
    arguments = [sys.executable, str(ROOT / "run.py"), *of_run(command), *SMALL]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, environment


def test_a_task_is_added_by_the_files_of_the_page_alone_and_trains(trained):
    folder, _ = trained
    with (folder / "outputs/ledger.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["task"], row["act"], row["seed"], row["status"]) for row in rows} == {
        ("spirals", act, str(seed), "finished") for act in ("relu", "carelu") for seed in (0, 1, 2)
    }


def test_its_tables_come_out(trained):
    folder, environment = trained
    script = [sys.executable, str(ROOT / "scripts/make_tables.py"), "--ledger", "outputs/ledger.csv", "--out", "tables"]
    environment = {**environment, "CARELU_CONFIG_DIR": "my_tasks/configs"}
    done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy" in (folder / "tables/spirals.md").read_text(encoding="utf-8")
