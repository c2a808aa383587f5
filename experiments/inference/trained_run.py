"""A finished run, loaded from its folder: its model with the trained weights, its task and its configuration."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import yaml
from torch import nn

from experiments.configuration.identity import Identity
from experiments.configuration.schema import Config, validate
from experiments.configuration.task_spec import task_package
from experiments.errors import BadInput, one_line
from experiments.record import checkpoint
from experiments.record.run_directory import CHECKPOINT, CONFIG, RESULT, TASK_STATE, read_json
from experiments.record.sums import note_on_altered
from experiments.tasks.contract import Task, build_task
from experiments.training.evaluation import autocast
from experiments.training.resolution import activation_factory
from experiments.training.run import build_model


@dataclass(frozen=True)
class TrainedRun:
    """A finished run and its model.

    Args:
        folder: its directory.
        config: its configuration; without a logger, and with the device that the model is on.
        identity: its names.
        result: the content of its result.json.
        task: its task, with what it learned besides weights.
        model: in evaluation mode, with the weights of the last epoch.
    """

    folder: Path
    config: Config
    identity: Identity
    result: Mapping[str, object]
    task: Task
    model: nn.Module

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode, no gradients, and the precision of the run."""
        self.model.eval()
        with torch.inference_mode(), autocast(self.device, self.config.trainer.precision):
            yield


def load_run(folder: str | Path, device: str | None = None) -> TrainedRun:
    """A finished run: its model, task, configuration and names. Files that are not as the run wrote them are warned of.

    Args:
        folder: the run's directory, like `outputs/cifar100/small/carelu/s0-1a2b3c4d5e`.
        device: where the model goes, like "cpu"; None: the device of the run, or the CPU where that is not here.

    Raises:
        BadInput: there is no run, it has not finished, or its files are damaged or of other code.
    """
    folder = Path(folder)
    result = _finished_result(folder)
    if note := note_on_altered(folder):
        warnings.warn(note, stacklevel=3)  # of experiments.load_run
    config = _for_this_machine(read_config(folder), device)
    task = build_task(config)
    task.load_state_dict(read_json(folder / TASK_STATE) or {})
    model = build_model(task, config, activation_factory(config), torch.device(config.trainer.device))
    _load_weights(model, folder, result)
    return TrainedRun(folder, config, _identity(folder, result), result, task, model.eval())


def read_config(folder: Path) -> Config:
    """The configuration of a run as it was recorded, without its logger.

    Nothing in the file is resolved: it holds plain values, and a `${…}` of a foreign record stays text.

    Raises:
        BadInput: the file is missing, damaged, or of other code.
    """
    file = folder / CONFIG
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        # The package is that of this checkout: a module that was moved renames no run.
        values["task"]["package"] = task_package(values["task"]["name"])
        return validate({**values, "logger": {"name": "none"}})
    except BadInput as error:
        raise BadInput(f"{file} does not fit this code: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        reason = one_line(error)
        raise BadInput(f"{file} cannot be read as the configuration of a run ({reason}); restore it") from error


def _finished_result(folder: Path) -> dict[str, object]:
    if not (folder / CONFIG).is_file():
        below = sorted(file.parent for file in folder.glob(f"**/{RESULT}"))[:3] if folder.is_dir() else []
        name = f"name one run, like {below[0]}" if below else "name the folder of a run, as its last line says"
        raise BadInput(f"{folder} is not the folder of a run: it holds no {CONFIG}; {name}")
    result = read_json(folder / RESULT)
    if result is None:
        raise BadInput(f"{folder} has not finished: it holds no {RESULT}; repeat its command to finish it")
    if not isinstance(result, dict) or result.get("status") != "finished":
        status = result.get("status") if isinstance(result, dict) else "damaged"
        raise BadInput(f"the run in {folder} has the status {status}; accepted: a finished run")
    return result


def _for_this_machine(config: Config, device: str | None) -> Config:
    """The configuration with a device that is here, and a precision that it supports."""
    trainer = config.trainer
    wanted = device or trainer.device
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        if device:
            raise BadInput(f"device {device} is not available on this machine; accepted here: cpu")
        wanted = "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"device {wanted} is not available on this machine; accepted: cpu, cuda, cuda:N") from error
    precision = "float32" if wanted == "cpu" and trainer.precision == "float16" else trainer.precision
    trainer = trainer.model_copy(update={"device": wanted, "precision": precision})
    return config.model_copy(update={"trainer": trainer})


def _load_weights(model: nn.Module, folder: Path, result: Mapping[str, object]) -> None:
    file = folder / CHECKPOINT
    if not file.is_file():
        raise BadInput(f"{file} is missing, so the weights are lost; train again with: {result.get('command')}")
    saved = checkpoint.load(file)
    if saved["run_id"] != result.get("run_id"):
        raise BadInput(f"{file} belongs to the run {saved['run_id']}, not to {result.get('run_id')}")
    try:
        model.load_state_dict(saved["model"])
    except (RuntimeError, AttributeError, TypeError) as error:
        commit = str(result.get("git_commit"))[:10]
        reason = one_line(error, 300)
        raise BadInput(f"{file} does not fit the model of this code ({reason}); use commit {commit}") from error


def _identity(folder: Path, result: Mapping[str, object]) -> Identity:
    names = {field.name for field in fields(Identity)} - {"directory", "elsewhere"}
    try:
        return Identity(**{n: result[n] for n in names if n in result}, directory=folder, elsewhere=[])
    except TypeError as error:
        raise BadInput(f"{folder / RESULT} is damaged ({error}); restore it") from error
