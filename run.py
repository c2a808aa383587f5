"""Trains an activation on a task: `python run.py task=cifar100 act=carelu`; see `python run.py --help`."""

import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.configuration.arguments import arranged
from experiments.configuration.command_line import check_command
from experiments.configuration.composition import add_config_folders
from experiments.configuration.help import help_text
from experiments.configuration.standard_streams import make_output_lenient
from experiments.distributed.torchrun import check_torchrun
from experiments.sweep.coordinator import coordinate
from experiments.sweep.job import joins_pool, perform_job
from experiments.sweep.questions import answer, split_questions
from experiments.training.job import answered

exit_codes: list[int] = []


@hydra.main(version_base="1.3", config_path="configs", config_name="config")
def job(cfg: DictConfig) -> float:
    """One run, composed by Hydra; returns its headline for sweepers, of which more is better: `Ending.objective`."""
    ending = perform_job(cfg, HydraConfig.get())
    exit_codes.append(ending.code)
    return ending.objective


def main() -> int:
    """Checks the command line, then runs; returns the exit code, for a sweep the largest."""
    return answered(_perform)


def _perform() -> int:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises its errors instead of printing their tracebacks
    words, asked = split_questions(sys.argv[1:])
    sys.argv[1:] = arguments = arranged(words)
    add_config_folders(arguments)
    if "--help" in arguments:
        print(help_text())
        return 0
    check_torchrun(arguments)
    sweep = None if joins_pool() else check_command(arguments)  # the coordinator has checked the jobs of a pool
    if asked:
        return answer(asked, arguments, sweep)
    if sweep:
        return coordinate(sweep, job)
    job()
    return max(exit_codes, default=0)


if __name__ == "__main__":
    make_output_lenient()
    sys.exit(main())
