"""The command itself: what it answers before a run begins."""

import importlib.util
import sys

import pytest
from hydra.errors import HydraException

from tests.conftest import ROOT


@pytest.fixture
def command(monkeypatch):
    """run.py as a module, called with `act=relu`."""
    spec = importlib.util.spec_from_file_location("the_command", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["run.py", "act=relu"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # main sets it; put back at the end
    return module


def test_ctrl_c_while_the_configuration_is_composed_is_one_line(command, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "check_command", interrupted)
    assert command.main() == 75
    assert capsys.readouterr().err == "stopped before training\n"


@pytest.mark.parametrize("error", [HydraException("first\nsecond"), OSError(13, "Permission denied", "/proc/x")])
def test_an_error_of_hydra_is_one_line(command, monkeypatch, capsys, error):
    def fail():
        raise error

    monkeypatch.setattr(command, "check_command", lambda _: None)
    monkeypatch.setattr(command, "job", fail)
    assert command.main() == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {type(error).__name__}: ") and shown.count("\n") == 1


def test_options_may_stand_behind_settings(command, monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "argv", ["run.py", "seed=0,1", "-m"])
    monkeypatch.setattr(command, "check_command", lambda words: seen.append(words))
    monkeypatch.setattr(command, "job", lambda: seen.append(sys.argv[1:]))
    assert command.main() == 0
    assert seen == [["--multirun", "seed=0,1"]] * 2
