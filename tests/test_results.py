"""The published studies: a protocol before the first run, one code for all runs of a task, no uncommitted change."""

import subprocess

import pytest

from experiments.record import ledger
from tests.conftest import ROOT

LEDGERS = [file for file in sorted((ROOT / "results").glob("*/ledger.csv")) if (file.parent / "protocol.md").exists()]


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def history():
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("needs the history of a whole clone")


def rows_of(file):
    rows, problems = ledger.read(file)
    assert rows and not problems
    return rows


def test_there_are_studies():
    assert {"competition", "tuning"} <= {file.parent.name for file in LEDGERS}


@pytest.mark.parametrize("file", LEDGERS, ids=lambda file: file.parent.name)
def test_the_protocol_is_older_than_the_commit_of_every_run(file, history):
    protocol = (file.parent / "protocol.md").relative_to(ROOT).as_posix()
    *_, first = git("log", "--format=%H", "--", protocol).stdout.split()
    for commit in {row.git_commit for row in rows_of(file)}:
        assert git("merge-base", "--is-ancestor", first, commit).returncode == 0, f"{commit} is older than {protocol}"


@pytest.mark.parametrize("file", LEDGERS, ids=lambda file: file.parent.name)
def test_all_runs_of_a_task_have_one_code_and_no_uncommitted_change(file):
    rows = rows_of(file)
    by_model = file.parent.name == "tuning"  # where values are chosen within a model, as its protocol says
    codes = {(row.task, by_model and row.model, row.code_hash) for row in rows}
    assert len(codes) == len({(task, model) for task, model, _ in codes}) and all(code for *_, code in codes)
    assert not [row.run_id for row in rows if row.git_dirty]


PICTURES = sorted((ROOT / "results").rglob("figures/captions.md"))


@pytest.mark.parametrize("captions", PICTURES, ids=lambda file: file.parent.parent.name)
def test_no_picture_of_an_earlier_name_stays_behind(captions):
    named = captions.read_text(encoding="utf-8")
    made = {file.name for file in captions.parent.glob("*.png")} - {"front_page.png"}
    assert made and not [name for name in sorted(made) if f"({name})" not in named]
