"""What every download of a data set shares."""

import contextlib
import socket
from collections.abc import Iterator

_CONNECTION_SECONDS = 20


@contextlib.contextmanager
def connection_timeout() -> Iterator[None]:
    """Gives up on a silent server after some seconds, where the libraries that download would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECTION_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
