"""Runs are found in the ledger and on disk, named by a part of their id, and removed from both."""

import json

import pytest
import yaml

from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.run_directory import RunDirectory
from experiments.record.stored_runs import choose, named, remove, stored_runs
from experiments.record.sums import write_sums
from tests.experiments.ledgers import grid, row, write


def make_folder(root, result):
    """The folder of a run with this result and a checkpoint of 1,000 bytes."""
    folder = root / result["task"] / result["recipe"] / result["act"] / f"s{result['seed']}-{result['config_hash']}"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"reason": "", **result}))
    (folder / "checkpoint.pt").write_bytes(bytes(1000))
    return folder


def make_interrupted(root, seed=7):
    config = {
        "task": {"name": "text"},
        "recipe": "small",
        "seed": seed,
        "act": {"name": "carelu", "options": {"gain": 2}},
    }
    folder = root / "text" / "small" / "carelu" / f"s{seed}-0123456789"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def root(tmp_path):
    """An output root: two activations × two seeds with folders, one row without a folder, one interrupted run."""
    rows = [*grid(["relu", "carelu"], [0, 1]), row("relu", 9, recipe="fast", overrides={"trainer.epochs": 2})]
    write(tmp_path / "ledger.csv", rows)
    for each in rows[:4]:
        make_folder(tmp_path, each)
    make_interrupted(tmp_path)
    return tmp_path


def test_every_run_is_found_once_with_its_status_and_size(root):
    runs, problems = stored_runs(root)
    assert problems == []
    assert sorted((run.act, run.seed, run.status, run.folder is None) for run in runs) == [
        ("carelu", 0, "finished", False),
        ("carelu", 1, "finished", False),
        ("carelu(gain=2)", 7, "interrupted", False),
        ("relu", 0, "finished", False),
        ("relu", 1, "finished", False),
        ("relu", 9, "finished", True),
    ]
    finished = next(run for run in runs if run.act == "relu" and run.seed == 0)
    assert 1000 < finished.size < 5000 and finished.in_ledger and finished.metric == "top1"
    assert (finished.value, finished.wall_seconds) == (finished.row.headline_value, 400.0) and finished.value > 30
    interrupted = next(run for run in runs if run.seed == 7)
    assert interrupted.in_ledger is False and interrupted.row is interrupted.metric is interrupted.value is None
    assert interrupted.size == (interrupted.folder / "config.yaml").stat().st_size


def test_a_run_that_a_process_holds_is_running_and_is_not_removed(root):
    (folder,) = (root / "text/small/carelu").iterdir()
    with RunDirectory(folder).lock():
        runs = choose(stored_runs(root)[0], status="running")
        assert [run.folder for run in runs] == [folder]
        with pytest.raises(BadInput, match="is in use by a process, so nothing was removed"):
            remove(root, runs)
    assert folder.exists()


def test_a_lock_that_nobody_holds_is_no_sign_of_a_running_process(root):
    (folder,) = (root / "text/small/carelu").iterdir()
    with RunDirectory(folder).lock():
        pass
    (folder / "run.lock").touch()  # a file of the lock may stay
    assert [run.folder for run in choose(stored_runs(root)[0], status="interrupted")] == [folder]


def test_a_damaged_folder_is_named_and_does_not_hide_the_others(root):
    (root / "text/small/carelu/s7-0123456789/config.yaml").write_text("seed: [")
    (folder,) = (root / "cifar100/small/carelu").glob("s0-*")  # the first folder, and the ledger has its row
    (folder / "result.json").write_text("{")
    runs, problems = stored_runs(root)
    assert len(runs) == 5 and all(run.folder != folder for run in runs)
    assert [
        f"{name} is left out" in problem for name, problem in zip((folder.name, "s7-0123456789"), problems, strict=True)
    ]


def test_runs_are_chosen_by_names_and_a_wrong_name_is_answered(root):
    runs, _ = stored_runs(root)
    assert len(choose(runs, act="carelu")) == 3  # with any options
    assert len(choose(runs, act="carelu(gain=2)")) == 1
    assert len(choose(runs, task="cifar100", recipe="small", status="finished")) == 4
    assert choose(runs, status="diverged") == []
    rows = [run for run in runs if run.act == "carelu(gain=2)"]
    assert choose(rows, act="carelu") == rows
    with pytest.raises(BadInput, match="unknown recipe of these runs: 'smal'; did you mean small"):
        choose(runs, recipe="smal")


def test_a_run_is_named_by_folder_id_or_a_part_that_no_other_has(root):
    runs, _ = stored_runs(root)
    one = next(run for run in runs if run.seed == 7)
    assert named(runs, "s7-") is named(runs, one.run_id) is named(runs, str(one.folder)) is one
    with pytest.raises(BadInput, match=r"'small-relu-s' is part of 2 runs; name one of them: [^,]*, [^,]*$"):
        named(runs, "small-relu-s")
    with pytest.raises(BadInput, match=r"'-s' is part of 6 runs; name one of them: ([^,]*, ){5}…$"):
        named(runs, "-s")
    with pytest.raises(BadInput, match="unknown run 'nothing'"):
        named(runs, "nothing")


def test_an_interrupted_run_is_removed_with_what_it_has(root):
    remove(root, choose(stored_runs(root)[0], status="interrupted"))
    assert not (root / "text").exists() and len(stored_runs(root)[0]) == 5


def test_removing_takes_folder_row_and_empty_parents_and_leaves_the_rest(root):
    runs, _ = stored_runs(root)
    chosen = choose(runs, act="relu")
    remove(root, chosen)
    rows, _ = ledger.read(root / "ledger.csv")
    assert {each.act for each in rows} == {"carelu"} and len(rows) == 2
    assert not (root / "cifar100/small/relu").exists()
    assert len(list((root / "cifar100/small/carelu").iterdir())) == 2
    assert len(stored_runs(root)[0]) == 3
    assert ledger.rebuild(root)[0] == rows  # the ledger is what the folders say


def test_a_damaged_ledger_removes_nothing(root):
    runs, _ = stored_runs(root)
    with (root / "ledger.csv").open("a") as stream:
        stream.write("half a row\n")
    with pytest.raises(BadInput, match=r"ledger\.csv is left unchanged"):
        remove(root, choose(runs, act="relu"))
    assert (root / "cifar100/small/relu").exists()


def test_what_is_no_output_root_is_refused(tmp_path):
    with pytest.raises(BadInput, match="is not a folder; name the output_root of your runs"):
        stored_runs(tmp_path / "nothing")


def test_an_edited_run_is_listed_with_a_note_and_an_interrupted_one_without(tmp_path):
    folder, interrupted = make_folder(tmp_path, row("relu", 0)), make_interrupted(tmp_path)
    for each in (folder, interrupted):
        write_sums(each, [], {"result.json": b"another"})
    runs, problems = stored_runs(tmp_path)
    assert len(runs) == 2
    (problem,) = problems
    assert problem.startswith(f"result.json of {folder} is not as the run wrote it")
