"""Trains an activation on a task: `python run.py task=cifar100 act=carelu`; see `python run.py --help`."""

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.command import STOPPED, complain, help_text, run_job
from experiments.configuration import check_command
from experiments.errors import BadInput
from experiments.launch import check_launch

exit_codes: list[int] = []


@hydra.main(version_base="1.3", config_path="configs", config_name="config")
def job(cfg: DictConfig) -> None:
    """One run, composed by Hydra; in a sweep, one of them."""
    exit_codes.append(run_job(cfg, dict(HydraConfig.get().runtime.choices)))
    if exit_codes[-1] == STOPPED:
        sys.exit(STOPPED)


def main() -> int:
    """Checks the command line, then runs; returns the exit code, the largest of a sweep's."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(help_text())
        return 0
    try:
        check_launch(sys.argv[1:])
        check_command(sys.argv[1:])
    except BadInput as error:
        return complain(error)
    job()
    return max(exit_codes, default=0)


if __name__ == "__main__":
    sys.exit(main())
