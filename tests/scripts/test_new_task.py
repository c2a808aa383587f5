"""`new_task.py`: what it writes trains at once, and nothing is overwritten."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest

from scripts import new_task
from tests.conftest import ROOT


@pytest.fixture
def call(monkeypatch, tmp_path):
    def main(*arguments):
        monkeypatch.setattr("sys.argv", ["new_task.py", *arguments, "--out", str(tmp_path / "my tasks")])
        return new_task.main()

    return main


def test_it_writes_a_package_its_configuration_and_data(call, capsys, tmp_path):
    assert call("wave_shapes") == 0
    folder = tmp_path / "my tasks"
    written = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert written == {target.format(name="wave_shapes") for target in (*new_task.TARGETS.values(), new_task.DATA)}
    for file in folder.rglob("*.[py]*"):
        assert "{{" not in file.read_text()
    assert "class WaveShapes(Task)" in (folder / "wave_shapes/task.py").read_text()
    assert "task=wave_shapes act=relu,carelu" in capsys.readouterr().out


def test_a_name_that_is_taken_or_impossible_is_refused(call, capsys, tmp_path):
    refused = {"cifar100": "already", "json": "like my_json", "Mine": "small letters", "a-b": "like my_task"}
    for name, said in refused.items():
        assert call(name) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "my tasks").exists()


def test_nothing_is_overwritten(call, capsys, tmp_path):
    assert call("waves") == 0
    (tmp_path / "my tasks/waves/task.py").write_text("mine")
    assert call("waves") == 2
    assert "exists, and nothing is overwritten" in capsys.readouterr().err
    assert (tmp_path / "my tasks/waves/task.py").read_text() == "mine"


def test_the_examples_are_always_the_same():
    first, second = new_task.examples(), new_task.examples()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert [np.bincount(first[f"{part}_labels"]).tolist() for part in ("train", "test")] == [[200] * 3, [100] * 3]


@pytest.mark.slow
def test_it_trains_by_the_commands_that_it_prints_better_than_chance(tmp_path):
    def python(*words, **environment):
        known = os.pathsep.join([str(ROOT), environment.pop("PYTHONPATH", "")])
        environment = {**os.environ, **environment, "PYTHONPATH": known}
        command = [sys.executable, str(ROOT / words[0]), *words[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    lines = python("scripts/new_task.py", "waves").splitlines()
    places = dict(word.split("=", 1) for word in lines[-2].split()[1:])
    words = ["run.py", "task=waves", "act=carelu"]
    assert "(chance: 33.33 %)" in python(*words, **places)
    with (tmp_path / "outputs/ledger.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["accuracy"]) > 60 and row["data_fingerprint"]
