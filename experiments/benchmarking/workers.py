"""Processes that are timed in turn: while one works, the others and their children are suspended."""

import contextlib
import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from experiments.errors import BadInput

_GRACE = 20.0
"""Seconds that a process gets to end by itself."""


class WorkerFailed(Exception):
    """A process failed; the message holds its traceback."""


class Worker:
    """A process that answers requests one by one and is suspended in between.

    Each configuration has its own, so that memory, compiled code, threads and data-loading processes of one do not
    affect the timings of another.

    Args:
        work: a module-level function `work(receive, send, **arguments)` that the process runs: it takes each
            request with `receive()` and answers it with one `send(answer)`.
        **arguments: further arguments of `work`.
    """

    def __init__(self, work: Callable[..., None], **arguments: object):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._scratch = tempfile.TemporaryDirectory(prefix="carelu-benchmark-")
        self._process = context.Process(target=_serve, args=(theirs, self._scratch.name, work, arguments))
        self._process.start()
        theirs.close()

    def ask(self, request: object) -> Any:
        """Resumes the process, sends it the request, waits for the answer and suspends it again.

        Raises:
            WorkerFailed: the process raised an error or ended.
            BadInput: the process raised it.
        """
        self._signal(signal.SIGCONT)
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended; its last answer is the reason
                self._connection.send(request)
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(timeout=10)
            raise WorkerFailed(f"the process ended with exit code {self._process.exitcode}") from error
        if isinstance(answer, _Raised):
            raise BadInput(answer.message) if answer.is_bad_input else WorkerFailed(answer.message)
        self._signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """Ends the process and its children, and removes its scratch folder."""
        self._connection.close()  # it ends if it waits for a request
        self._signal(signal.SIGCONT)
        self._process.join(timeout=_GRACE)
        self._signal(signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self._scratch.cleanup()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process group of the process and its children."""
        with contextlib.suppress(ProcessLookupError):  # all have ended, or the group does not exist yet
            os.killpg(self._process.pid, number)


class _Raised:
    """An error of the process, sent to the parent."""

    def __init__(self, error: BaseException):
        self.is_bad_input = isinstance(error, BadInput)
        self.message = str(error) if self.is_bad_input else "".join(traceback.format_exception(error)).strip()


def _serve(connection: Connection, scratch: str, work: Callable[..., None], arguments: dict[str, object]) -> None:
    # A process group can be stopped at once; if the parent dies, the kernel ends a stopped group.
    os.setpgrp()
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    with contextlib.suppress(EOFError, OSError):  # the parent has closed the connection
        try:
            work(connection.recv, connection.send, **arguments)
        except Exception as error:
            connection.send(_Raised(error))
