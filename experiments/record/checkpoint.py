"""Reading and writing checkpoints: written atomically, sealed with a checksum, loaded without running their code."""

import hashlib
import io
import zipfile
from pathlib import Path

import torch

from experiments.errors import BadInput
from experiments.files import write_atomically

PARTS = ("run_id", "model", "optimizer", "scheduler", "scaler", "random_states", "counters", "wandb_id")
"""What a checkpoint holds: all that a run needs to go on."""

_SEAL = b"sha256:"
_SEAL_LENGTH = len(_SEAL) + 64

_WAY_OUT = "delete it or add force=true to restart the run"


def save(file: Path, content: dict[str, object], previous: Path | None = None) -> None:
    """Writes a checkpoint of tensors and plain objects.

    Args:
        file: where.
        content: what.
        previous: where the checkpoint that `file` held so far is kept; None: nowhere.

    Raises:
        BadInput: as for `write_atomically`.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(file, _sealed(buffer.getvalue()), previous)


def load(file: Path) -> dict[str, object]:
    """Reads a checkpoint, its tensors on the CPU.

    Raises:
        BadInput: the file is damaged in any byte, or not a checkpoint of this suite.
    """
    try:
        archive = file.read_bytes()
        _check_undamaged(archive)
        content = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error) if isinstance(error, _Damaged) else type(error).__name__
        raise BadInput(f"{file} cannot be read as a checkpoint ({reason}); {_WAY_OUT}") from error
    if not isinstance(content, dict) or not {*PARTS} <= content.keys():
        raise BadInput(f"{file} is not a checkpoint of this suite; {_WAY_OUT}")
    return content


def load_newest(file: Path, previous: Path) -> tuple[dict[str, object] | None, str]:
    """The checkpoint in `file`, or the one before it where `file` is missing or damaged; None if there is neither.

    Returns:
        The content, and one sentence if it is the one before.

    Raises:
        BadInput: `file` is damaged, and so is `previous` or there is none.
    """
    if not (file.exists() or previous.exists()):
        return None, ""
    if not file.exists():
        return load(previous), f"{file} is missing; going on from {previous.name}"
    try:
        return load(file), ""
    except BadInput as damage:
        try:
            return load(previous), f"{str(damage).partition(';')[0]}; going on from {previous.name}"
        except BadInput:
            raise damage from None


class _Damaged(Exception):
    """The bytes of an archive are not those that were written."""


def _sealed(archive: bytes) -> bytes:
    """A zip archive with a checksum of all its bytes as its comment, which readers of zip archives pass over."""
    sealed = archive[:-2] + _SEAL_LENGTH.to_bytes(2, "little")  # the length of the comment, so far 0
    return sealed + _SEAL + hashlib.sha256(sealed).hexdigest().encode()


def _check_undamaged(archive: bytes) -> None:
    """Raises an error if the archive was changed since it was written: torch.load does not look at checksums."""
    sealed, seal = archive[:-_SEAL_LENGTH], archive[-_SEAL_LENGTH:]
    if seal.startswith(_SEAL):
        if seal != _SEAL + hashlib.sha256(sealed).hexdigest().encode():
            raise _Damaged("its checksum does not agree")
        return
    with zipfile.ZipFile(io.BytesIO(archive)) as unsealed:  # written before checkpoints were sealed, or not by save
        if unsealed.comment or unsealed.testzip() is not None:
            raise _Damaged("its checksum does not agree")
