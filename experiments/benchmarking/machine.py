"""The machine that is measured: its name, its cache, and its load from other processes."""

import os
import re
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.record.environment import device_name, git_state


def full_name(device: torch.device) -> str:
    """The device's name, on a CPU with the number of threads in use."""
    name = device_name(device)
    return name if device.type == "cuda" else f"{name} ({torch.get_num_threads()} threads)"


def file_name(device: torch.device) -> str:
    """The device's name as part of a file's name, like amd-epyc-2-threads."""
    return re.sub(r"[^a-z0-9]+", "-", full_name(device).lower()).strip("-")


def cache_bytes(device: torch.device) -> int | None:
    """The cache of one core (a CPU's level 2, a GPU's shared memory), in bytes; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).shared_memory_per_multiprocessor
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text().strip() == "2":
            number, unit = re.fullmatch(r"(\d+)([KM])", (index / "size").read_text().strip()).groups()
            return int(number) * {"K": 2**10, "M": 2**20}[unit]
    return None


class OtherProcesses:
    """The load from other processes since this object was made."""

    def __init__(self):
        self._all, self._own, self._begun_at = _busy_seconds(), _own_seconds(), time.monotonic()

    def share(self) -> float | None:
        """Their share of the time of all processors; None if unknown.

        Excludes this process and the children that it has waited for.
        """
        now = _busy_seconds()
        if now is None or self._all is None:
            return None
        others = now - self._all - (_own_seconds() - self._own)
        return max(0.0, others) / (time.monotonic() - self._begun_at) / os.cpu_count()


def _busy_seconds() -> float | None:
    """Busy time of all processors since the machine started, in seconds."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _, _, *interrupts = map(int, words[1:9])
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):  # not on Linux
        return None


def _own_seconds() -> float:
    return sum(os.times()[:4])


@dataclass(frozen=True)
class Conditions:
    """How a benchmark was run.

    Args:
        command: repeats it.
        on_gpu: whether a GPU was measured.
        cache_bytes: the cache of one core, see `cache_bytes`.
        others_share: the share of the machine's processor time that other processes took meanwhile.
    """

    command: str
    on_gpu: bool
    cache_bytes: int | None
    others_share: float | None

    def sentences(self) -> str:
        if self.others_share is None:
            return "The load from other processes is not known."
        return (
            f"Other processes took {self.others_share:.0%} of the machine's processor time meanwhile; the higher that "
            "is, the less small differences mean."
        )


def conditions(device: torch.device, others: OtherProcesses) -> Conditions:
    """Those of this process so far, which measures on `device`."""
    command = shlex.join(["python", *sys.argv])
    return Conditions(command, device.type == "cuda", cache_bytes(device), others.share())


def labels(device: torch.device) -> dict[str, str]:
    """The columns of a row that describe machine and code."""
    return {"device": full_name(device), "torch": torch.__version__, "git_commit": git_state()[0]}
