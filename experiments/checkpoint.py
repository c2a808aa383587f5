"""Writing and reading a checkpoint: whole or not at all, and loaded without running code from it."""

import contextlib
import io
import os
from pathlib import Path

import torch

from experiments.errors import BadInput


def write_atomically(file: Path, content: bytes) -> None:
    """Puts `content` in `file`; after a crash at any moment the file holds the old or the new content.

    Raises:
        BadInput: the folder cannot be written or the disk is full; the old file is as it was.
    """
    part = file.with_name(file.name + ".part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise BadInput(
            f"{file} cannot be written: {error.strerror}; what was there before is kept. "
            "Make room (or name another folder with output_root=FOLDER) and give the same command again"
        ) from error


def save(file: Path, content: dict[str, object]) -> None:
    """Writes a checkpoint of tensors and plain objects.

    Raises:
        BadInput: as for `write_atomically`.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(file, buffer.getvalue())


def load(file: Path) -> dict[str, object]:
    """Reads a checkpoint, its tensors on the CPU.

    Raises:
        BadInput: the file is truncated or not a checkpoint of this suite.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(
            f"{file} cannot be read as a checkpoint ({type(error).__name__}); "
            "delete it or add force=true to start the run again"
        ) from error
    if not isinstance(content, dict) or not {"model", "run_id", "counters"} <= content.keys():
        raise BadInput(f"{file} is not a checkpoint of this suite; delete it or add force=true to start the run again")
    return content
