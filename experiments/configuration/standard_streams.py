"""The standard output and error of a command: what cannot be written there is dropped, and the work goes on."""

import contextlib
import os
import sys
from typing import Any, TextIO


class LenientStream:
    """A text stream that drops what it cannot write: a closed pipe, a lost terminal or a full disk ends no run.

    Args:
        stream: where to write.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes `text`, or drops it and all that follows."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """Connects its file to the null device, which also takes what is still buffered when Python ends."""
        with contextlib.suppress(OSError, ValueError):
            _open_null(self._stream.fileno())


def make_output_lenient() -> None:
    """Makes the standard output and error of this process lenient; characters they cannot show are escaped."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell (`>&-`): the next file that is opened must not take its place
            try:
                os.fstat(descriptor)
            except OSError:
                _open_null(descriptor)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (until the process ends)
        elif not isinstance(stream, LenientStream):
            with contextlib.suppress(AttributeError):  # not a stream of Python's own
                stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, LenientStream(stream))


def _open_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
