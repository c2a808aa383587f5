"""Trains an activation on a task: `python run.py task=cifar100 act=carelu`; see `python run.py --help`."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.configuration.command_line import check_command
from experiments.configuration.composition import add_config_folders
from experiments.configuration.help import help_text
from experiments.distributed.torchrun import check_torchrun
from experiments.errors import BadInput
from experiments.sweep.coordinator import coordinate
from experiments.sweep.processes import run_sweep_job
from experiments.sweep.record import SweepFolder
from experiments.training.job import report_error, run_job

exit_codes: list[int] = []


@hydra.main(version_base="1.3", config_path="configs", config_name="config")
def job(cfg: DictConfig) -> None:
    """One run, composed by Hydra; in a sweep, one of them."""
    of_hydra = HydraConfig.get()
    choices = dict(of_hydra.runtime.choices)
    if of_hydra.mode == RunMode.MULTIRUN:
        folder = SweepFolder(Path(of_hydra.sweep.dir))
        run_sweep_job(cfg, choices, folder, of_hydra.job.num, list(of_hydra.overrides.task))
    else:
        exit_codes.append(run_job(cfg, choices).code)


def main() -> int:
    """Checks the command line, then runs; returns the exit code, the largest of a sweep's."""
    try:
        add_config_folders(sys.argv[1:])
        if {"-h", "--help"} & set(sys.argv[1:]):
            print(help_text())
            return 0
        check_torchrun(sys.argv[1:])
        sweep = check_command(sys.argv[1:])
        if sweep:
            return coordinate(sweep, job)
    except BadInput as error:
        return report_error(error)
    job()
    return max(exit_codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
