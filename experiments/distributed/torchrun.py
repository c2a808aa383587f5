"""The rank of this process, from torchrun's environment variables. Imports no torch."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.errors import BadInput

HOW_TO_START = "start several processes with: torchrun --nproc_per_node=N run.py …"


@dataclass(frozen=True)
class TorchrunProcess:
    """One rank of a run.

    Args:
        rank: its global rank, from 0.
        size: the world size, all processes of the run.
        local_rank: its rank on this machine, from 0, which is the number of its GPU.
        local_size: processes on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    def command(self, command: str) -> str:
        """The command line `python run.py …` for as many processes."""
        if self.size == 1:
            return command
        machines = f"--nnodes={self.size // self.local_size} " if self.size > self.local_size else ""
        return f"torchrun {machines}--nproc_per_node={self.local_size} {command.removeprefix('python ')}"


def read_torchrun(environment: Mapping[str, str] = os.environ) -> TorchrunProcess:
    """The rank in torchrun's variables; a single process where there are none, or for a world size of 1.

    Raises:
        BadInput: a variable is missing or does not fit the others.
    """
    given = [name for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK") if name in environment]
    if not given or environment.get("WORLD_SIZE") == "1":
        return TorchrunProcess()
    numbers = {}
    for name in ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"):
        value = environment.get(name)
        if value is None or not value.isdecimal():
            problem = f"{name}={value} is not a number" if value else f"{name} is missing"
            raise BadInput(f"{given[0]}={environment[given[0]]} is set, but {problem}; unset it, or {HOW_TO_START}")
        numbers[name] = int(value)
    if not environment.get("MASTER_ADDR"):
        raise BadInput(
            f"WORLD_SIZE={numbers['WORLD_SIZE']} is set, but MASTER_ADDR is missing; unset it, or {HOW_TO_START}"
        )
    for number, count in (("RANK", "WORLD_SIZE"), ("LOCAL_RANK", "LOCAL_WORLD_SIZE")):
        if numbers[number] >= numbers[count]:
            raise BadInput(f"{number}={numbers[number]} does not fit {count}={numbers[count]}; {HOW_TO_START}")
    return TorchrunProcess(numbers["RANK"], numbers["WORLD_SIZE"], numbers["LOCAL_RANK"], numbers["LOCAL_WORLD_SIZE"])


def check_torchrun(arguments: list[str]) -> None:
    """Raises `BadInput` for a sweep under torchrun, or where `read_torchrun` does."""
    this = read_torchrun()
    sweep = {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(arguments)
    if this.size > 1 and sweep:
        raise BadInput(
            f"{sweep.pop()} under torchrun: its {this.size} processes train one run and cannot sweep; "
            "start each run of the sweep with torchrun, or sweep with python run.py -m …, one process a run"
        )


def is_main_process() -> bool:
    """Whether this process is rank 0, which reports for all ranks."""
    try:
        return read_torchrun().rank == 0
    except BadInput:
        return True


def wait_for_torchrun() -> None:
    """Waits for torchrun to stop this process, five seconds at most.

    torchrun stops all ranks when one exits, and the main process has to report before that.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(5)
