"""Trains an activation on a task: `python run.py task=cifar100 act=carelu`; see `python run.py --help`."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.configuration.command_line import check_command
from experiments.configuration.composition import add_config_folders
from experiments.configuration.help import help_text
from experiments.distributed.torchrun import check_torchrun
from experiments.errors import BadInput
from experiments.sweep.coordinator import coordinate
from experiments.sweep.job import joins_pool, perform_job
from experiments.sweep.questions import answer, split_questions
from experiments.training.job import report_error

exit_codes: list[int] = []


@hydra.main(version_base="1.3", config_path="configs", config_name="config")
def job(cfg: DictConfig) -> float:
    """One run, composed by Hydra; returns its headline for sweepers, of which more is better: `Ending.objective`."""
    ending = perform_job(cfg, HydraConfig.get())
    exit_codes.append(ending.code)
    return ending.objective


def main() -> int:
    """Checks the command line, then runs; returns the exit code, for a sweep the largest."""
    sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))  # Hydra wants them first
    sys.argv[1:], asked = split_questions(sys.argv[1:])
    try:
        add_config_folders(sys.argv[1:])
        if {"-h", "--help"} & set(sys.argv[1:]):
            print(help_text())
            return 0
        check_torchrun(sys.argv[1:])
        sweep = (
            None if joins_pool() else check_command(sys.argv[1:])
        )  # the coordinator has already checked the jobs of a pool
        if asked:
            return answer(asked, sys.argv[1:], sweep)
        if sweep:
            return coordinate(sweep, job)
    except BadInput as error:
        return report_error(error)
    job()
    return max(exit_codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
