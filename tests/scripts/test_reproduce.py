"""`reproduce.py` makes a run again in a process of its own, and tells whether it came back equal."""

import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from experiments.configuration.composition import compose
from experiments.record import ledger, reproduced
from experiments.training.job import STOPPED
from scripts import reproduce
from tests.conftest import ROOT, run_command
from tests.experiments.ledgers import row, write


@pytest.fixture
def call(monkeypatch):
    def main(*arguments):
        monkeypatch.setattr("sys.argv", ["reproduce.py", *map(str, arguments)])
        return reproduce.main()

    return main


@pytest.fixture
def recorded(run, tmp_path):
    """(ledger, run_id) of a tiny run."""
    return tmp_path / "runs" / ledger.FILE, run("trainer.epochs=1", "trainer.threads=1").identity.run_id


@pytest.fixture
def run_here(monkeypatch, tiny_cifar100):
    """Runs in this process what the script starts as another; the commands that were started."""
    from experiments.training.job import run_job

    started = []

    def perform(command):
        started.append(command)
        return run_job(*compose(command[2:])).code

    monkeypatch.setattr(reproduce, "perform", perform)
    return started


def test_a_run_comes_back_equal_and_that_is_recorded(recorded, run_here, call, capsys, tmp_path):
    file, run_id = recorded
    options = ("--ledger", file, "--output-root", tmp_path / "again", "--record")
    for times in (1, 2):
        assert call(*options, run_id[:20], "data_root=here") == 0
        assert f"{run_id}: all 10 values are equal to the last bit" in capsys.readouterr().out
        assert len(run_here) == times
        (kept,) = reproduced.read(file)
        assert kept.run_id == run_id and kept.equal and kept.compared == 10


def test_a_value_that_differs_is_shown_and_the_exit_code_is_1(recorded, run_here, call, capsys, tmp_path):
    file, run_id = recorded
    text = file.read_text()
    (made,) = ledger.read(file)[0]
    file.write_text(text.replace(str(made.metrics["loss"]), "1.25").replace(made.torch, "2.0.0"))
    assert call(run_id, "--ledger", file, "--output-root", tmp_path / "again") == 1
    out = capsys.readouterr().out
    assert "torch is 2.0.0 in the row, and" in out
    assert "1 of 10 values differ" in out and "1.25" in out
    assert not file.with_name(reproduced.FILE).exists()


def test_a_repetition_that_was_stopped_is_resumed_and_the_one_before_is_not_taken_for_it(
    recorded, run_here, call, capsys, monkeypatch, tmp_path
):
    file, run_id = recorded
    options = (run_id, "--ledger", file, "--output-root", tmp_path / "again", "--record")
    assert call(*options) == 0
    file.with_name(reproduced.FILE).unlink()
    again = reproduce.perform
    monkeypatch.setattr(reproduce, "perform", lambda command: STOPPED)
    assert call(*options) == STOPPED
    assert f"{run_id} was stopped; the same command goes on with it" in capsys.readouterr().err
    assert not file.with_name(reproduced.FILE).exists()
    (before,) = (tmp_path / "again").rglob("result.json")
    made = before.stat().st_mtime_ns
    monkeypatch.setattr(reproduce, "perform", again)
    assert call(*options) == 0
    assert before.stat().st_mtime_ns > made  # it was trained, not looked up


@pytest.mark.parametrize(
    ("code", "said"), [(1, "was not made again (exit code 1)"), (0, "its settings or its data are")]
)
def test_a_repetition_that_failed_is_no_difference(recorded, call, capsys, monkeypatch, tmp_path, code, said):
    file, run_id = recorded
    monkeypatch.setattr(reproduce, "perform", lambda command: code)
    assert call(run_id, "--ledger", file, "--output-root", tmp_path / "again", "--record") == 2
    assert said in capsys.readouterr().err
    assert not file.with_name(reproduced.FILE).exists()


def test_one_that_failed_is_not_answered_by_the_one_before(recorded, run_here, call, capsys, monkeypatch, tmp_path):
    file, run_id = recorded
    options = (run_id, "--ledger", file, "--output-root", tmp_path / "again")
    assert call(*options) == 0
    monkeypatch.setattr(reproduce, "perform", lambda command: 1)
    assert call(*options) == 2
    assert "was not made again" in capsys.readouterr().err


def test_mistakes_are_told_before_any_run_is_made(recorded, call, capsys, monkeypatch):
    monkeypatch.setattr(reproduce, "perform", lambda command: pytest.fail("started"))
    file, run_id = recorded
    before = file.read_text()
    for words, said in (
        ((run_id, "none"), "unknown run 'none'"),
        ((run_id, "seed=1"), "'seed=1' is not accepted"),
        ((run_id, "--output-root", file.parent), "is the folder of the ledger itself; name another one"),
        ((run_id, "--output-root", file.parent.parent), "is the folder of the ledger itself; name another one"),
    ):
        assert call(*words, "--ledger", file) == 2
        assert said in capsys.readouterr().err
    assert file.read_text() == before
    file.with_name(reproduced.FILE).write_text("x")
    assert call(run_id, "--ledger", file) == 2
    with pytest.raises(SystemExit):
        call("--ledger", file)


def test_a_row_that_this_code_cannot_repeat_is_repeated_by_that_of_its_commit(call, capsys, monkeypatch, tmp_path):
    file = write(tmp_path / ledger.FILE, [row("relu", 0, command="python run.py task=cifar100 act=relu recipe=old")])
    assert call("cifar100", "--ledger", file) == 2
    assert "--at-its-commit repeats it with its own code, b3d14228b0" in capsys.readouterr().err
    started = []
    monkeypatch.setattr(reproduce, "check_commit", lambda row: None)
    monkeypatch.setattr(reproduce, "checkout_of", lambda commit: nullcontext(tmp_path / commit[:10]))
    monkeypatch.setattr(reproduce, "perform", lambda command: started.append(command) or 1)
    assert call("cifar100", "--ledger", file, "--at-its-commit", "--output-root", tmp_path / "again") == 2
    ((_, program, *words),) = started
    assert program == str(tmp_path / "b3d14228b0" / "run.py")
    assert f"output_root={tmp_path / 'again' / 'b3d14228b0'}" in words


def test_a_signal_to_the_script_reaches_the_run_and_waits_for_its_end(tmp_path):
    """The process that it starts needs a moment to write its checkpoint."""
    slow = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(75))); "
    child = f"{slow}open({str(tmp_path / 'ready')!r}, 'w').close(); time.sleep(60)"
    program = (
        f"import sys; from scripts import reproduce; sys.exit(reproduce.perform([sys.executable, '-c', {child!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 75


@pytest.mark.slow
def test_a_process_of_its_own_gives_the_same_bits(call, capsys, tmp_path):
    settings = ("data=sample", "recipe=small", "trainer.max_steps=2", "trainer.batch_size=8", "model.width=4")
    done = run_command("task=cifar100", "act=carelu", *settings, "trainer.threads=1", f"output_root={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert call("cifar100-small-carelu", "--ledger", tmp_path / ledger.FILE, "--output-root", tmp_path / "again") == 0
    assert "are equal to the last bit" in capsys.readouterr().out
