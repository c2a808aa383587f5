"""Output that cannot be written is dropped; nothing else changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import ROOT, TINY_NETWORK

LENIENT = "from experiments.configuration.standard_streams import make_output_lenient; make_output_lenient()\n"


def python(program, shell="{}", **environment):
    """Runs a program whose output is lenient, by a line of the shell; `{}` is its command."""
    command = shell.format(f"{sys.executable} -c '{LENIENT}{program}'")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


MANY_LINES = """
import pathlib, sys
for number in range(100_000):
    print(number)
sys.stdout.flush()
pathlib.Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize("shell", ["{} %s | head -1", "{} %s > /dev/full", "{} %s >&-", "{} %s 2>&- >&-"])
def test_a_program_goes_on_where_its_output_cannot_be_written(tmp_path, shell):
    done = python(MANY_LINES, shell % (tmp_path / "end"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "end").exists()


def test_a_few_lines_that_only_the_end_writes_are_dropped_too():
    assert (done := python("print(1)", "{} > /dev/full")).returncode == 0, done.stderr


def test_a_file_does_not_take_the_place_of_a_closed_output(tmp_path):
    program = """
import os, sys
file = open(sys.argv[1], "w")
os.write(1, b"damage")
"""
    assert python(program, f"{{}} {tmp_path / 'file'} >&-").returncode == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_what_can_be_written_is_written():
    done = python("""
import sys
print("output")
print("error", file=sys.stderr)
""")
    assert (done.stdout, done.stderr, done.returncode) == ("output\n", "error\n", 0)


def test_characters_that_the_output_cannot_show_are_escaped():
    done = python('print("\\u03b1 \\udcff")', PYTHONIOENCODING="ascii")
    assert (done.stdout, done.stderr) == ("\\u03b1 \\udcff\n", "")


def test_help_ends_quietly_where_only_its_head_is_read():
    command = f"{sys.executable} run.py --help | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_run_finishes_where_nothing_can_be_shown(tmp_path, tiny_cifar100):
    settings = ["data=sample", "recipe=small", *TINY_NETWORK["cifar100"], "trainer.epochs=1", "trainer.max_steps=1"]
    command = ["run.py", *settings, f"output_root={tmp_path}"]
    with Path("/dev/full").open("w") as full:
        run = forked.in_child(lambda: forked.perform(command), full.fileno(), full.fileno())
        assert os.waitpid(run, 0)[1] == 0
    assert len(list(tmp_path.rglob("result.json"))) == 1
    assert "already done" in forked.run(command).stdout
