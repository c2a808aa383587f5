"""Options that both benchmarks take, read and checked."""

import argparse
import tempfile
from pathlib import Path

import torch

from experiments.errors import BadInput


def positive(word: str) -> int:
    """A whole number from 1 on, as an argparse type."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not accepted; accepted: a whole number from 1 on")
    return int(word)


def find_device(word: str) -> torch.device:
    """The device that `--device` names; "auto" is CUDA where there is one, else the CPU.

    Raises:
        BadInput: it is not on this machine.
    """
    cuda = torch.cuda.is_available()
    if word == "auto":
        word = "cuda" if cuda else "cpu"
    here = ["cpu", *(["cuda"] if cuda else [])]
    if word not in here:
        raise BadInput(f"--device={word} is not on this machine; accepted here: {', '.join(['auto', *here])}")
    return torch.device(word)


def check_writable(folder: Path) -> None:
    """Makes the folder of `--out` if it is not there.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput(f"--out={folder} cannot be written: {error.strerror}; name another folder") from error
