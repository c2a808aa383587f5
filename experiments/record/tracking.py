"""Weights & Biases as a mirror of the local record: its failures never affect the run."""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from experiments.configuration.composition import as_dict
from experiments.configuration.identity import Identity
from experiments.configuration.schema import Config
from experiments.record.wandb_run import WandbRun, describe_run


class NoMirror:
    """`logger=none`: only the local record.

    Args:
        wandb_id: the id of an earlier W&B run of this run, kept for later.
    """

    def __init__(self, wandb_id: str | None = None):
        self.wandb_id = wandb_id

    def log(self, record: dict[str, object]) -> None: ...

    def show(self, files: list[Path]) -> None: ...

    def finish(self, result: dict[str, object] | None) -> None: ...


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
            reason = " ".join(str(error).split())
            self._say(f"note: mirroring to W&B ends here ({reason}); the local record is complete")
            if abandoned:
                abandoned.abandon()
            return None


Mirror = NoMirror | WandbMirror


def build_mirror(
    cfg: Config,
    identity: Identity,
    environment: dict[str, object],
    folder: Path,
    wandb_id: str | None,
    say: Callable[[str], None],
) -> Mirror:
    """The mirror that `cfg.logger` names."""
    if cfg.logger.name == "wandb":
        return WandbMirror(cfg, identity, environment, folder, wandb_id, say)
    return NoMirror(wandb_id)
