"""The sweeper of `hydra/sweeper=verdict`, as Hydra finds it: a thin class around `experiments.sweep.adaptive`."""

from pathlib import Path

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class VerdictSweeper(Sweeper):
    """Adds seeds pair by pair until each comparison is decided or the budget is spent.

    The coordinator has read the command line, and left in the sweep's folder what is compared.

    Args:
        options: as in configs/hydra/sweeper/verdict.yaml.
    """

    def __init__(self, **options: object):
        self._options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Runs the sweep.

        Raises:
            SystemExit: it was stopped; its jobs have written checkpoints.
        """
        from experiments.configuration.sweeper import read_verdict_options  # as Hydra imports this at every start
        from experiments.sweep.adaptive import AdaptiveSweep
        from experiments.sweep.record import SweepFolder

        folder = SweepFolder(Path(self.config.hydra.sweep.dir))
        OmegaConf.save(self.config, folder.path / "multirun.yaml")
        ledger = Path(self.config.output_root, "ledger.csv")
        AdaptiveSweep(read_verdict_options(self._options), folder, ledger, self.launcher.launch).perform()
