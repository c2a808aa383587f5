"""The launcher of `hydra/launcher=pool`, as Hydra finds it: a thin class around `experiments.sweep.pool`."""

import sys
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
        """Runs the jobs; a failed one has the value None and does not stop the others.

        Raises:
            SystemExit: the sweep was stopped; its jobs have written checkpoints.
        """
        from experiments.sweep import pool  # imported here because Hydra imports this module at every start
        from experiments.sweep.record import SweepFolder
        from experiments.training.job import STOPPED

        jobs = {number: list(overrides) for number, overrides in enumerate(job_overrides, initial_job_idx)}
        gpus = [] if self._trainer(jobs[initial_job_idx]).device == "cpu" else pool.visible_gpus()
        workers = pool.workers_of(self.workers, self.per_gpu, gpus, pool.usable_cores())
        place = f"GPUs {', '.join(gpus)}" if gpus else f"CPU, threads each: {workers[0].threads}"
        if initial_job_idx == 0:  # not for each batch of a sweeper
            print(f"pool: {len(workers)} at once on {place}", flush=True)
        folder = SweepFolder(Path(self._config.hydra.sweep.dir))
        pool.run_pool(jobs, workers, folder, self._command)
        if folder.stop_requested():
            sys.exit(STOPPED)
        endings = {number: folder.ending(number) for number in jobs}
        return [
            JobReturn(overrides=overrides, status=JobStatus.COMPLETED, _return_value=endings[number].objective)
            for number, overrides in jobs.items()
        ]

    def _command(self, overrides: list[str], worker: object) -> list[str]:
        sources = self._config.hydra.runtime.config_sources
        options = [f"--config-dir={source.path}" for source in sources if source.provider == "command-line"]
        trainer, threads = self._trainer(overrides), []
        if worker.gpu is None and "threads" in trainer and trainer.threads is None:
            threads = [
                f"trainer.threads={worker.threads}"
            ]  # threads affect the result on a CPU, so the run records them
        return [sys.executable, sys.argv[0], *options, *overrides, *threads]

    def _trainer(self, overrides: list[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._config, overrides).trainer
