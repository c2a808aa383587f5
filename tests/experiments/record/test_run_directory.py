"""The files of a run: held by one process, set aside and not lost, and finished last."""

import contextlib
import json
import multiprocessing
import os
import time
import zipfile

import numpy as np
import pytest
from omegaconf import OmegaConf

from experiments.errors import BadInput
from experiments.record.run_directory import (
    ReadOnlyRunDirectory,
    RunDirectory,
    read_json,
    read_metrics,
    read_predictions,
)
from tests.experiments.ledgers import row

HISTORY = [{"epoch": 0, "step": 0}, {"epoch": 1, "step": 3, "top1": 12.5, "train/loss": 4.25}]


@pytest.fixture
def directory(tmp_path):
    made = RunDirectory(tmp_path / "task" / "run")
    made.create()
    return made


def names_in(folder):
    return {file.name for file in folder.iterdir()}


# The lock


@contextlib.contextmanager
def held_by_another(directory, content=None):
    """Another process holds the run; it is killed at the end, so that it cannot tidy up.

    Args:
        directory: the run.
        content: what that process writes in the place of its holder.json.
    """
    context = multiprocessing.get_context("fork")
    holding = context.Event()

    def hold():
        with directory.lock():
            if content is not None:
                (directory.path / "holder.json").write_text(content)
            holding.set()
            time.sleep(30)

    other = context.Process(target=hold)
    other.start()
    try:
        assert holding.wait(30)
        yield other
    finally:
        other.kill()
        other.join()


def test_a_run_that_another_process_holds_is_refused_until_that_process_ends(directory):
    with held_by_another(directory) as other:
        held = pytest.raises(BadInput, match=rf"in use: process {other.pid} on \S+ has run it since")
        with held as caught, directory.lock():
            pytest.fail("two processes hold the run")
        assert "\n" not in str(caught.value)
        assert json.loads((directory.path / "holder.json").read_text())["process"] == other.pid
    with directory.lock():
        assert json.loads((directory.path / "holder.json").read_text())["process"] == os.getpid()
    assert not (directory.path / "holder.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_a_holder_that_says_nothing_is_unknown(directory, content):
    with held_by_another(directory, content):
        held = pytest.raises(BadInput, match="process unknown on unknown has run it since unknown")
        with held, directory.lock():
            pytest.fail("two processes hold the run")


def test_the_lock_is_let_go_of_after_a_failure(directory):
    with pytest.raises(ZeroDivisionError), directory.lock():
        raise ZeroDivisionError
    with directory.lock():
        pass


# Setting aside


def test_replaced_files_are_kept_under_separate_numbers(directory):
    for when in ("first", "second"):
        for name in ("result.json", "checkpoint.pt", "metrics.jsonl", "environment.json", "config.yaml"):
            (directory.path / name).write_text(f"{name} of the {when}")
        (directory.path / "artifacts").mkdir()
        (directory.path / "artifacts" / "picture.png").write_text(when)
        directory.set_aside()
    directory.set_aside()  # nothing is left to set aside
    assert names_in(directory.path) == {"replaced"}
    assert names_in(directory.path / "replaced") == {"1", "2"}
    for number, when in (("1", "first"), ("2", "second")):
        kept = directory.path / "replaced" / number
        assert (kept / "result.json").read_text() == f"result.json of the {when}"
        assert (kept / "checkpoint.pt").read_text() == f"checkpoint.pt of the {when}"
        assert (kept / "artifacts" / "picture.png").read_text() == when
        assert len(names_in(kept)) == 6


def test_the_result_is_set_aside_before_all_else(directory, monkeypatch):
    for name in ("result.json", "checkpoint.pt", "config.yaml"):
        (directory.path / name).write_text("old")
    moved = []

    def watched(move):
        def and_note(source, target, **options):
            moved.append(os.path.basename(source))
            move(source, target, **options)

        return and_note

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    directory.set_aside()
    assert moved[0] == "result.json"
    assert set(moved) == {"result.json", "checkpoint.pt", "config.yaml"}


@pytest.mark.parametrize(
    ("force", "finished", "under_way"),
    [(True, False, True), (False, False, False), (True, True, False), (None, False, False)],
)
def test_a_restart_is_under_way_while_a_forced_run_has_no_result(directory, force, finished, under_way):
    if force is not None:
        directory.begin(OmegaConf.create({"force": force}), {})
    if finished:
        directory.finish({"status": "finished"})
    assert directory.restart_under_way() is under_way


# The record


def test_what_is_known_at_the_start_is_written_whole(directory):
    directory.begin(OmegaConf.create({"seed": 3, "again": "${seed}"}), {"torch": "2.0", "device": "a µ-processor"})
    assert OmegaConf.to_container(OmegaConf.load(directory.path / "config.yaml")) == {"seed": 3, "again": 3}
    assert directory.environment() == {"torch": "2.0", "device": "a µ-processor"}


def test_the_metrics_are_the_history_and_nothing_older(directory):
    directory.write_metrics([*HISTORY, {"epoch": 2}])
    directory.write_metrics(HISTORY)
    assert read_metrics(directory.path / "metrics.jsonl") == HISTORY
    lines = (directory.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == HISTORY


@pytest.mark.parametrize("line", ['{"epoch": 1, "st', "[1]", '{"step": 3}', '{"epoch": "1"}', ""])
def test_a_damaged_line_of_the_metrics_is_named(directory, line):
    file = directory.path / "metrics.jsonl"
    file.write_text(f'{{"epoch": 0}}\n{line}\n')
    with pytest.raises(BadInput, match=r"metrics\.jsonl, line 2 is damaged"):
        read_metrics(file)


def test_of_a_long_damaged_line_the_beginning_is_quoted(directory):
    file = directory.path / "metrics.jsonl"
    file.write_text("a" * 1000)
    with pytest.raises(BadInput, match=f"damaged: '{'a' * 60}' is not"):
        read_metrics(file)


@pytest.mark.parametrize(("status", "kept"), [("finished", False), ("diverged", False), ("failed", True)])
def test_the_traceback_of_an_earlier_attempt_goes_with_a_result_that_is_no_failure(directory, status, kept):
    (directory.path / "traceback.txt").write_text("of an earlier attempt")
    directory.finish({"status": status, "reason": "α"})
    assert read_json(directory.path / "result.json") == {"status": status, "reason": "α"}
    assert (directory.path / "traceback.txt").exists() is kept


def test_without_a_result_there_is_none_and_a_damaged_one_is_named(directory):
    assert directory.result() is None
    (directory.path / "result.json").write_text('{"status"')
    with pytest.raises(BadInput, match=r"result\.json is damaged .*force=true"):
        directory.result()


def test_a_result_that_is_of_no_run_is_named_with_what_it_lacks(directory):
    (directory.path / "result.json").write_text('{"status": "finished"}')
    with pytest.raises(BadInput, match=r"result\.json is damaged \('run_id' is missing\)"):
        directory.result()


def test_a_result_is_typed_as_its_row_in_a_ledger_is(directory):
    made = {**row(threads=None), "headline_value": 40, "top5": 70.5}
    (directory.path / "result.json").write_text(json.dumps(made))
    found = directory.result()
    assert found == {"reason": "", **made} and next(iter(found)) == "reason"
    (directory.path / "result.json").write_text(json.dumps({**made, "reason": "by hand", "seed": "3"}))
    assert (directory.result()["reason"], directory.result()["seed"]) == ("by hand", 3)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="Not a directory; name another folder with output_root=FOLDER"):
        RunDirectory(tmp_path / "file" / "run").create()


def test_a_process_that_leaves_the_record_to_another_writes_nothing(tmp_path):
    others = ReadOnlyRunDirectory(tmp_path / "run")
    others.create()
    with others.lock():
        others.set_aside()
        others.begin(OmegaConf.create({}), {})
        others.write_metrics(HISTORY)
        others.save({})
        others.finish({"status": "finished"})
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_read_as_they_were_written_and_nothing_else_is(directory):
    written = {"test/correct": np.array([True, False]), "set5/psnr_y": np.array([31.5, 30.25])}
    directory.write_predictions({})
    assert names_in(directory.path) == set()
    directory.write_predictions(written)
    file = directory.path / "predictions.npz"
    found = read_predictions(file)
    assert found.keys() == written.keys()
    assert all(np.array_equal(found[name], values) for name, values in written.items())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("note.txt", "by hand")
    with pytest.raises(BadInput, match=r"predictions\.npz is damaged \(it holds other things than arrays\)"):
        read_predictions(file)
    np.savez(file, anything=np.array([{}], dtype=object))
    with pytest.raises(BadInput, match=r"predictions\.npz is damaged \(.*pickle"):
        read_predictions(file)


def test_a_task_without_a_state_writes_none(directory):
    directory.write_task_state({})
    assert names_in(directory.path) == set()
    directory.write_task_state({"words": ["naïve"]})
    assert read_json(directory.path / "task.json") == {"words": ["naïve"]}
    assert "naïve" in (directory.path / "task.json").read_text(encoding="utf-8")


def test_predictions_that_say_they_need_another_version_of_zip_are_damaged(directory):
    directory.write_predictions({"test/correct": np.arange(3)})
    file = directory.path / "predictions.npz"
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 210  # the version that is needed to extract the first array
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"predictions\.npz is damaged \(zip file version 21\.0\)"):
        read_predictions(file)


def test_predictions_whose_end_was_zeroed_are_damaged_and_not_empty(directory):
    directory.write_predictions({"test/correct": np.arange(3)})
    file = directory.path / "predictions.npz"
    content = file.read_bytes()
    end = content.rindex(b"PK\x05\x06") + 8
    file.write_bytes(content[:end] + bytes(len(content) - end))
    with pytest.raises(BadInput, match=r"predictions\.npz is damaged"):
        read_predictions(file)
