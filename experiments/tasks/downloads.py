"""What every download of a data set shares."""

import contextlib
import socket
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

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


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks a tar archive; of what it holds nothing lands outside `folder`, and there are only files and folders.

    Raises:
        OSError: it is damaged, or holds something else.
    """
    try:
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise OSError(f"{archive.name} cannot be unpacked: {error}") from error
