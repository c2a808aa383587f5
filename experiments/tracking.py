"""Weights & Biases as a mirror of the local record: it may fail or be away, the run never notices."""

import contextlib
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from omegaconf import DictConfig

from experiments.configuration import Identity, as_dict, flatten

_REACH_SECONDS = 3
_INIT_SECONDS = 20
_FINISH_SECONDS = 60


class NoMirror:
    """`logger=none`: only the local record.

    Args:
        wandb_id: of a W&B run that mirrored the run before, kept for later.
    """

    def __init__(self, wandb_id: str | None = None):
        self.wandb_id = wandb_id

    def log(self, record: dict[str, object]) -> None: ...

    def show(self, files: list[Path]) -> None: ...

    def finish(self, result: dict[str, object] | None) -> None: ...


class WandbMirror:
    """One W&B run beside the local one. Its first failure is said in one line, and ends the mirroring.

    Args:
        cfg: the configuration; `cfg.logger` says where to.
        identity: the run's names: group `<task>/<recipe>`, name `<act>-s<seed>`.
        environment: what `experiments.environment.describe` returned.
        folder: where W&B keeps its own files (`<folder>/wandb`).
        wandb_id: the id of the W&B run to go on with, or None.
        say: tells the person one line.
    """

    def __init__(
        self,
        cfg: DictConfig,
        identity: Identity,
        environment: dict[str, object],
        folder: Path,
        wandb_id: str | None,
        say: Callable[[str], None],
    ):
        self._run = None
        self._say = say
        self.wandb_id = wandb_id
        self._guarded(lambda: self._start(cfg, identity, environment, folder))

    def _start(self, cfg: DictConfig, identity: Identity, environment: dict[str, object], folder: Path) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        self.wandb_id = self.wandb_id or secrets.token_hex(4)
        logger = cfg.logger
        logged_in = wandb.login(prompt=False, verify=False)
        mode = logger.mode
        if mode == "auto":
            mode = "online" if logged_in and _reachable(wandb.Settings().base_url) else "offline"
        if mode == "online" and not logged_in:
            raise RuntimeError("logger.mode=online needs `wandb login`")
        self._run = wandb.init(
            project=logger.project,
            entity=logger.entity,
            mode=mode,
            id=self.wandb_id,
            resume="allow",
            group=f"{identity.task}/{identity.recipe}",
            name=f"{identity.act}-s{identity.seed}",
            tags=[tag[:64] for tag in (identity.task, identity.act, identity.recipe, identity.data, *logger.tags)],
            config={**as_dict(cfg), "environment": environment, "run_id": identity.run_id, "command": identity.command},
            dir=str(folder),
            settings=wandb.Settings(
                silent=True,
                console="off",
                init_timeout=_INIT_SECONDS,
                finish_timeout=_FINISH_SECONDS,
                disable_git=True,
                x_disable_meta=True,
            ),
        )
        self._run.define_metric("*", step_metric="epoch")

    def log(self, record: dict[str, object]) -> None:
        """Mirrors one record of metrics.jsonl, nested values as `a/b`."""
        if self._run:
            values = {key.replace(".", "/"): value for key, value in flatten(record).items()}
            self._guarded(lambda: self._run.log(values))

    def show(self, files: list[Path]) -> None:
        """Sends the pictures among `files`."""
        pictures = [file for file in files if file.suffix == ".png"]
        if self._run and pictures:
            import wandb

            self._guarded(lambda: self._run.log({file.stem: wandb.Image(str(file)) for file in pictures}))

    def finish(self, result: dict[str, object] | None) -> None:
        """Closes the W&B run; `result` becomes its summary, None says that the run will go on later."""

        def close() -> None:
            if result is None:
                self._run.mark_preempting()
            else:
                self._run.summary.update(result)
            self._run.finish(exit_code=0 if result and result["status"] == "finished" else 1)

        if self._run:
            self._guarded(close)
            self._run = None

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:
            abandoned, self._run = self._run, None
            reason = " ".join(str(error).split())
            self._say(f"note: W&B is left out from here on ({reason}); the local record is complete")
            if abandoned:
                with contextlib.suppress(Exception):
                    abandoned.finish(exit_code=1)


Mirror = NoMirror | WandbMirror


def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=_REACH_SECONDS).close()
    except OSError:
        return False
    return True


def build_mirror(
    cfg: DictConfig,
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
