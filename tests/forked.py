"""`python SCRIPT WORDS` in a copy of this process: with a number, signals and an exit code of its own.

It begins where torch is imported already, which saves each command of a test some seconds. What is only seen in a fresh
interpreter, as what is imported when, is not tested in this way: `run_command` in conftest.py starts one.
"""

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

from hydra.core.global_hydra import GlobalHydra

ROOT = Path(__file__).parent.parent


def perform(words: Sequence[str]) -> int:
    """Performs `python WORDS` in this process and its working directory; returns the exit code."""
    before = sys.argv
    sys.argv = [str(ROOT / words[0]), *words[1:]]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return 0


def in_child(action: Callable[[], int], output: int, errors: int) -> int:
    """Starts a process that ends with the exit code of `action`, as files for its output; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (errors, 2)):
            os.dup2(source, target)
        sys.stdout, sys.stderr = (open(each, "w", buffering=1, closefd=False) for each in (1, 2))  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started this in the background
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored below nohup, which a command would respect
        code = action()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


class Command:
    """A command that runs; the counterpart of `subprocess.Popen`.

    Args:
        words: the script, relative to the checkout, and its arguments.
        cwd: the working directory.
        group: whether it leads a group of processes of its own, as a command of a terminal does.
        variables: of its environment, besides those of this process; modules are found along a PYTHONPATH of theirs.
    """

    def __init__(
        self, words: Sequence[str], cwd: Path = ROOT, group: bool = False, variables: Mapping[str, str] | None = None
    ):
        self.words = [str(ROOT / words[0]), *map(str, words[1:])]
        self.returncode: int | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115

        def action() -> int:
            if group:
                os.setsid()
            os.chdir(cwd)
            if variables:
                os.environ.update(variables)
                sys.path[:0] = variables.get("PYTHONPATH", str(ROOT)).split(os.pathsep)
            return perform(self.words)

        self.pid = in_child(action, self._output.fileno(), self._errors.fileno())

    @property
    def stdout(self) -> str:
        """What it has printed."""
        return _content(self._output)

    @property
    def stderr(self) -> str:
        """What it has printed to the stream of errors."""
        return _content(self._errors)

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = 300) -> int:
        """Its exit code, once it has ended.

        Raises:
            TimeoutError: it runs longer than `timeout` seconds; it is killed then.
        """
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                self.send_signal(signal.SIGKILL)
                raise TimeoutError(f"{self.words} runs for more than {timeout} s: {self.stdout}{self.stderr}")
            time.sleep(0.005)
        return code

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for `condition`, at most while it runs."""
        while not condition():
            assert self.poll() is None, self.stdout + self.stderr
            time.sleep(0.02)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class PoolJob:
    """A job of a pool as a copy of its coordinator; stands for the `subprocess.Popen` of `pool.start_job`."""

    _ends: ClassVar[list[int]] = []
    """Those of the coordinator, of the pipe to each job; a job that kept one would hide the coordinator's end."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], stdout: IO[bytes], **_: object):
        self.returncode: int | None = None
        end, own = os.pipe()
        self._ends.append(own)

        def action() -> int:
            os.setsid()
            os.dup2(end, 0)
            for each in self._ends:
                os.close(each)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            GlobalHydra.instance().clear()
            os.environ.clear()
            os.environ.update(env)
            return perform(command[1:])

        self.pid = in_child(action, stdout.fileno(), stdout.fileno())
        os.close(end)

    def poll(self) -> int | None:
        return Command.poll(self)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


def _content(file: IO[bytes]) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def run(
    words: Sequence[str], cwd: Path = ROOT, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Performs `python WORDS`; the counterpart of `subprocess.run`."""
    command = Command(words, cwd, variables=variables)
    code = command.wait()
    return subprocess.CompletedProcess(command.words, code, command.stdout, command.stderr)
