"""Reading and writing checkpoints: written atomically, and loaded without executing code from the file."""

import io
from pathlib import Path

import torch

from experiments.errors import BadInput
from experiments.files import write_atomically


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
            "delete it or add force=true to restart the run"
        ) from error
    if not isinstance(content, dict) or not {"model", "run_id", "counters"} <= content.keys():
        raise BadInput(f"{file} is not a checkpoint of this suite; delete it or add force=true to restart the run")
    return content
