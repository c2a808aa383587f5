"""One W&B run: its names, and how it is opened, written and closed. Errors are raised."""

import contextlib
import hashlib
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf

from experiments.configuration.composition import CONFIG_DIR
from experiments.errors import BadInput
from experiments.record.labels import activation_label, data_label, recipe_label

_REACH_SECONDS = 3
_INIT_SECONDS = 20
_FINISH_SECONDS = 60

_NAME_LENGTH = 128
_TAG_LENGTH = 64
"""W&B's limits, in characters."""

TRAINING, COMPARISON = "train", "comparison"
"""The W&B job types of this suite."""


@dataclass(frozen=True)
class Description:
    """The description of a W&B run, without its history."""

    wandb_id: str
    group: str
    job_type: str
    name: str
    tags: tuple[str, ...]
    config: dict[str, object]


def describe_run(
    names: Mapping[str, object],
    config: Mapping[str, object],
    environment: Mapping[str, object],
    tags: Iterable[str],
    wandb_id: str,
) -> Description:
    """The description of a training run: group `<task>/<recipe>`, name `<activation>-s<seed>`, all as labels.

    Args:
        names: the fields of an `Identity` or of a result.
        config: the configuration.
        environment: what `experiments.record.environment.describe` returned.
        tags: added to task, activation, recipe and data.
        wandb_id: the id of the W&B run.
    """
    overrides = names["overrides"]
    act, recipe = activation_label(names["act"], overrides), recipe_label(names["recipe"], overrides)
    labels = (names["task"], act, recipe, data_label(names["data"], overrides), *tags)
    return Description(
        wandb_id=wandb_id,
        group=f"{names['task']}/{recipe}",
        job_type=TRAINING,
        name=f"{act}-s{names['seed']}",
        tags=tuple(dict.fromkeys(labels)),
        config={**config, "environment": environment, "run_id": names["run_id"], "command": names["command"]},
    )


def _within(text: str, length: int) -> str:
    """`text`, shortened with a fingerprint if it is too long, so that different texts stay different."""
    if len(text) <= length:
        return text
    fingerprint = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[: length - len(fingerprint) - 1]}-{fingerprint}"


def history_values(record: Mapping[str, object]) -> dict[str, float]:
    """One record of metrics.jsonl as W&B gets it.

    Statistics of the activation `blocks.0.act1` become `activations/blocks_0_act1_alpha` and so on: the part
    before the slash is a section of panels, one for all layers, and W&B would read a dot as nesting.
    """
    values = {key: value for key, value in record.items() if key != "activations"}
    for layer, learned in record.get("activations", {}).items():
        where = f"activations/{layer.replace('.', '_')}"
        values.update({f"{where}_{name}": value for name, value in learned.items()})
    return values


def destination(**given: str | None) -> DictConfig:
    """configs/logger/wandb.yaml, overridden by the values of `given` that are not None."""
    usual = OmegaConf.load(CONFIG_DIR / "logger" / "wandb.yaml")
    return OmegaConf.merge(usual, {key: value for key, value in given.items() if value is not None})


def _wandb() -> ModuleType:
    """The wandb module, set to print nothing to the terminal."""
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    return wandb


def resolve_mode(mode: str) -> str:
    """Resolves `logger.mode`: "auto" is WANDB_MODE, else online if logged in and reachable, else offline.

    Raises:
        BadInput: mode is "online" and no user is logged in.
    """
    wandb = _wandb()
    if mode == "auto":
        mode = os.environ.get("WANDB_MODE") or mode
    if mode not in ("auto", "online"):
        return mode
    logged_in = wandb.login(prompt=False, verify=False)
    if mode == "online" and not logged_in:
        raise BadInput(
            "online mode needs `wandb login` and no WANDB_MODE=offline; the modes auto and offline need neither"
        )
    return "online" if mode == "online" or (logged_in and _reachable(wandb.setup().settings.base_url)) else "offline"


def clear_offline_copies(folder: Path, wandb_id: str) -> None:
    """Deletes earlier offline files of a W&B run: `wandb sync` of two copies would show each epoch twice."""
    for copy in (folder / "wandb").glob(f"offline-run-*-{wandb_id}"):
        shutil.rmtree(copy)


def _reachable(url: str) -> bool:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=_REACH_SECONDS).close()
    except OSError:
        return False
    return True


class WandbRun:
    """One W&B run, written live or from a record. Errors are raised.

    A record's epoch is its W&B step, or with `logger.every_steps` its training step. W&B ignores a step that it
    already has, so records may be sent twice (after a kill, or by a second replay).

    Args:
        description: what the run is.
        logger: `project`, `entity` and `mode`, as in configs/logger/wandb.yaml.
        folder: where W&B keeps its own files (`<folder>/wandb`).
        live: whether this process trains the run, so that W&B records its use of the machine.
    """

    def __init__(self, description: Description, logger: DictConfig, folder: Path, live: bool):
        self._wandb = wandb = _wandb()
        self._run = wandb.init(
            project=logger.project,
            entity=logger.entity,
            mode=resolve_mode(logger.mode),
            id=description.wandb_id,
            resume="allow",
            reinit="create_new",  # do not write to a W&B run that an earlier job of this process left open
            group=_within(description.group, _NAME_LENGTH),
            job_type=description.job_type,
            name=_within(description.name, _NAME_LENGTH),
            tags=[_within(tag, _TAG_LENGTH) for tag in description.tags],
            config=description.config,
            dir=str(folder),
            settings=wandb.Settings(
                silent=True,
                console="off",
                init_timeout=_INIT_SECONDS,
                finish_timeout=_FINISH_SECONDS,
                disable_git=True,
                x_disable_meta=True,
                x_disable_stats=not live,
            ),
        )
        self._epoch, self._step = 0, 0
        of_logger = description.config.get("logger") or {}
        self._by_steps = of_logger.get("every_steps") is not None
        if description.job_type == TRAINING:
            self._run.define_metric("epoch", hidden=True)
            self._run.define_metric("*", step_metric="epoch")

    @property
    def offline(self) -> bool:
        """Whether it is written to this machine alone."""
        return bool(self._run.offline)

    @property
    def place(self) -> str:
        """The address of its page, or for an offline run the folder that `wandb sync` sends."""
        return str(Path(self._run.dir).parent) if self._run.offline else self._run.url

    def log(self, record: Mapping[str, object]) -> None:
        """Writes one record of metrics.jsonl."""
        self._epoch = record["epoch"]
        self._step = record["step"] if self._by_steps else self._epoch
        self._run.log(history_values(record), step=self._step, commit=True)

    def log_step(self, values: Mapping[str, float]) -> None:
        """Writes the values of one training step."""
        self._run.log(dict(values), step=int(values["step"]), commit=True)

    def show(self, pictures: Mapping[str, Path]) -> None:
        """Writes picture files by name, as `pictures/<name>`, at the step after the last epoch."""
        images = {f"pictures/{name}": self._wandb.Image(str(file)) for name, file in pictures.items()}
        if images:
            self._run.log({**images, "epoch": self._epoch}, step=self._step + 1, commit=True)

    def log_comparison(self, tables: Mapping[str, list[dict[str, object]]], figures: Iterable[Path]) -> None:
        """Writes tables (rows by column) as `tables/<name>` and pictures as `figures/<name>`."""
        media: dict[str, object] = {f"figures/{file.stem}": self._wandb.Image(str(file)) for file in figures}
        for name, rows in tables.items():
            data = [list(row.values()) for row in rows]
            media[f"tables/{name}"] = self._wandb.Table(columns=list(rows[0]), data=data, allow_mixed_types=True)
        self._run.log(media)

    def finish(self, result: Mapping[str, object] | None) -> None:
        """Closes it; `result` becomes its summary, None: the run will be resumed later."""
        if result is None:
            self._run.mark_preempting()
        else:
            self._run.summary.update(dict(result))
        self._run.finish(exit_code=0 if result and result.get("status") == "finished" else 1)

    def abandon(self) -> None:
        """Closes it after a failure, ignoring further errors."""
        with contextlib.suppress(Exception):
            self._run.finish(exit_code=1)
