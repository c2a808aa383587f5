"""Loggers beside the local record, W&B among them: their failures never affect the run."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from experiments.configuration.composition import as_dict
from experiments.configuration.identity import Identity
from experiments.configuration.schema import Config
from experiments.errors import one_line
from experiments.record.file_loggers import CSVLogger, Logger, TensorBoardLogger
from experiments.record.wandb_run import WandbRun, describe_run


class WandbMirror:
    """Mirrors the run to W&B. The first failure prints one line and ends the mirroring.

    Args:
        cfg: the configuration; `cfg.logger` holds the W&B options.
        identity: the run's names.
        environment: what `experiments.record.environment.describe` returned.
        folder: where W&B keeps its own files (`<folder>/wandb`).
        wandb_id: the id of the W&B run to resume, or None.
        say: prints one line.
    """

    def __init__(
        self,
        cfg: Config,
        identity: Identity,
        environment: dict[str, object],
        folder: Path,
        wandb_id: str | None,
        say: Callable[[str], None],
    ):
        self.wandb_id = wandb_id or secrets.token_hex(4)
        self._say = say
        self._run: WandbRun | None = None
        description = describe_run(asdict(identity), as_dict(cfg), environment, cfg.logger.tags, self.wandb_id)
        self._run = self._guarded(lambda: WandbRun(description, cfg.logger, folder, live=True))
        if self._run:
            self._guarded(lambda: say(_where(self._run, folder)))

    def log_step(self, values: dict[str, float]) -> None:
        """Mirrors one training step."""
        if self._run:
            self._guarded(lambda: self._run.log_step(values))

    def log(self, record: dict[str, object]) -> None:
        """Mirrors one record of metrics.jsonl."""
        if self._run:
            self._guarded(lambda: self._run.log(record))

    def show(self, files: list[Path]) -> None:
        """Sends the pictures among `files`."""
        if self._run:
            pictures = {file.stem: file for file in files if file.suffix == ".png"}
            self._guarded(lambda: self._run.show(pictures))

    def finish(self, result: dict[str, object] | None) -> None:
        """Closes the W&B run; `result` becomes its summary, None: the run will be resumed later."""
        if self._run:
            self._guarded(lambda: self._run.finish(result))
            self._run = None

    def _guarded(self, action: Callable[[], object]) -> object:
        try:
            return action()
        except Exception as error:
            abandoned, self._run = self._run, None
            reason = one_line(error)
            self._say(f"note: mirroring to W&B ends here ({reason}); the local record is complete")
            if abandoned:
                abandoned.abandon()
            return None


def _where(run: WandbRun, folder: Path) -> str:
    """One line: the mode of a W&B run, its address or its folder."""
    if run.offline:
        return f"W&B offline: {run.place}; to send it later: python scripts/replay_wandb.py {folder}"
    return f"W&B online: {run.place}"


class Mirrors:
    """The loggers of a run. The first failure of one prints one line and ends it; the others go on.

    Args:
        loggers: by their names; without any there is only the local record.
        every_steps: training steps between two that are logged; None: none are.
        wandb_id: the id of the W&B run, now or later.
        say: prints one line.
    """

    def __init__(
        self,
        loggers: Mapping[str, Logger] = MappingProxyType({}),
        every_steps: int | None = None,
        wandb_id: str | None = None,
        say: Callable[[str], None] = print,
    ):
        self._loggers, self.every_steps, self.wandb_id, self._say = dict(loggers), every_steps, wandb_id, say

    def log(self, record: dict[str, object]) -> None:
        """Logs one record of metrics.jsonl."""
        self._each(lambda logger: logger.log(record))

    def log_step(self, values: dict[str, float]) -> None:
        """Logs one training step."""
        self._each(lambda logger: logger.log_step(values))

    def show(self, files: list[Path]) -> None:
        """Shows the pictures among `files`."""
        self._each(lambda logger: logger.show(files))

    def finish(self, result: dict[str, object] | None) -> None:
        """Closes all; None: the run will be resumed later."""
        self._each(lambda logger: logger.finish(result))

    def _each(self, action: Callable[[Logger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                action(logger)
            except Exception as error:
                del self._loggers[name]
                reason = one_line(error)
                self._say(f"note: logger={name} ends here ({reason}); the local record is complete")


_FILE_LOGGERS = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}


def build_mirror(
    cfg: Config,
    identity: Identity,
    environment: dict[str, object],
    folder: Path,
    wandb_id: str | None,
    say: Callable[[str], None],
    done_steps: int = 0,
) -> Mirrors:
    """The loggers that `cfg.logger` names; each says where it writes.

    Args:
        cfg: the configuration.
        identity: the run's names.
        environment: what `experiments.record.environment.describe` returned.
        folder: the run's folder.
        wandb_id: the id of the W&B run to resume, or None.
        say: prints one line.
        done_steps: those that a resumed run has done.
    """
    loggers: dict[str, Logger] = {}
    for name in cfg.logger.names:
        if name == "wandb":
            loggers[name] = WandbMirror(cfg, identity, environment, folder, wandb_id, say)
            wandb_id = loggers[name].wandb_id
            continue
        try:
            loggers[name] = _FILE_LOGGERS[name](folder, done_steps)
            say(f"logger {name}: {loggers[name].place}")
        except Exception as error:
            reason = one_line(error)
            say(f"note: logger={name} does not start ({reason}); the local record is complete")
    return Mirrors(loggers, cfg.logger.every_steps if loggers else None, wandb_id, say)
