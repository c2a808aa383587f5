"""The launcher of `hydra/launcher=pool`, as Hydra finds it: a thin class around `experiments.sweep.pool`."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PoolLauncher(Launcher):
    """Runs each job as a process `python run.py …` on this machine, several at once.

    Any sweeper can use it: `launch` returns when a batch has ended, with each job's headline value.

    Args:
        workers: jobs at once; None: per_gpu for each GPU, or without a GPU one for each core.
        per_gpu: jobs at once on each GPU.
    """

    def __init__(self, workers: int | None, per_gpu: int):
        self.workers, self.per_gpu = workers, per_gpu

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._loader, self._config = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs the jobs; one that fails has the value None and stops no other.

        Raises:
            SystemExit: the sweep was stopped; its jobs have written checkpoints.
        """
        from experiments.sweep.pool import run_pool  # what it needs is slow to import, and Hydra scans this module

        batch = [list(overrides) for overrides in job_overrides]
        folder = Path(self._config.hydra.sweep.dir)
        sources = self._config.hydra.runtime.config_sources
        options = [f"--config-dir={source.path}" for source in sources if source.provider == "command-line"]
        values = run_pool(batch, initial_job_idx, folder, self._compose, options, self.workers, self.per_gpu)
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=value)
            for overrides, value in zip(batch, values, strict=True)
        ]

    def _compose(self, overrides: list[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._config, overrides)
