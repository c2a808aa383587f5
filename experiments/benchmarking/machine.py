"""The machine that is measured: its devices, their name in a file's name, and the size of their caches."""

import re
from pathlib import Path

import torch

from experiments.environment import device_name
from experiments.errors import BadInput


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


def slug(device: torch.device) -> str:
    """The device's name as part of a file's name, like amd-epyc-2-threads."""
    return re.sub(r"[^a-z0-9]+", "-", device_name(device).lower()).strip("-")


def cache_bytes(device: torch.device) -> int | None:
    """What one core (a CPU: level 2) or the whole chip (a GPU: level 2) caches, in bytes; None where it does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).L2_cache_size
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text().strip() == "2":
            number, unit = re.fullmatch(r"(\d+)([KM])", (index / "size").read_text().strip()).groups()
            return int(number) * {"K": 2**10, "M": 2**20}[unit]
    return None
