"""The typed configuration: every key of a run, and the values it accepts. A task's own keys are in its spec.py."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, create_model, model_validator

from experiments.configuration.composition import GROUPS_BY_TASK, as_dict, literal, options_of
from experiments.configuration.options import (
    LARGEST,
    Count,
    DataOptions,
    Epochs,
    Folder,
    ModelOptions,
    Name,
    NonNegative,
    Options,
    Positive,
    Share,
    TaskOptions,
    first_mistake,
    in_range,
)
from experiments.configuration.task_spec import spec_of
from experiments.errors import BadInput, unknown


def _finite(value: Any) -> Any:
    if not in_range(value):
        raise ValueError("a number is not finite or too large")
    return value


class ActivationOptions(Options):
    """`act.*`: a name of carelu's registry; the registry checks its options."""

    name: Name
    package: Annotated[Name, Field(description="the Python module that registers the activation")] | None = None
    options: Annotated[dict[str, Any], AfterValidator(_finite), Field(description="a mapping of options to values")]


_Rate = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """`optim.optimizer.*`: a class of torch.optim and its options; the class checks further ones."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(pattern=r"^[A-Za-z]\w*$", description="the name of a class of torch.optim, like SGD")]
    lr: Positive
    weight_decay: NonNegative = 0.0
    momentum: Share = 0.0
    nesterov: bool = False
    betas: Annotated[
        list[_Rate], Field(min_length=2, max_length=2, description="a list of two numbers in [0, 1), like [0.9,0.999]")
    ] = [0.9, 0.999]  # noqa: RUF012 (pydantic copies it)
    eps: Positive = 1e-8

    @model_validator(mode="after")
    def _has_further_numbers_in_range(self) -> "OptimizerOptions":
        for key, value in (self.model_extra or {}).items():
            if not in_range(value):
                raise BadInput(
                    f"optim.optimizer.{key}={literal(value)} is not accepted; accepted: finite numbers up to {LARGEST}"
                )
        return self


class ScheduleOptions(Options):
    """`optim.schedule.*`."""

    name: Literal["constant", "step", "linear", "cosine"]
    warmup_epochs: NonNegative
    milestones: Annotated[Epochs, Field(description="a list of rising epochs > 0, like [60,120,160]")]
    decay: Positive


class OptimOptions(Options):
    """`optim.*`."""

    optimizer: OptimizerOptions
    activation_lr_multiplier: NonNegative
    gradient_clip_norm: Positive | None
    schedule: ScheduleOptions


def _device(word: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", word):
        raise ValueError("no device")
    return word


class TrainerOptions(Options):
    """`trainer.*`."""

    epochs: Count
    max_steps: Count | None
    batch_size: Count
    evaluation_batch_size: Count
    evaluate_every: Count
    selection: Literal["last", "validation"]
    device: Annotated[str, AfterValidator(_device), Field(description="auto, cpu, cuda or cuda:N")]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    threads: Annotated[int, Field(ge=1, le=4096)] | None
    channels_last: bool
    compile: bool
    checkpoint_minutes: Positive


class LoggerOptions(Options):
    """`logger.*` with logger=none."""

    name: Name

    @property
    def names(self) -> tuple[str, ...]:
        """The loggers that are used."""
        return ()


class FileLoggerOptions(LoggerOptions):
    """`logger.*` with logger=csv or logger=tensorboard."""

    every_steps: Count | None
    also: Annotated[list[Literal["csv", "tensorboard"]], Field(description="a list of csv, tensorboard")]

    @property
    def names(self) -> tuple[str, ...]:
        """All loggers, each once."""
        return tuple(dict.fromkeys((self.name, *self.also)))


class WandbOptions(FileLoggerOptions):
    """`logger.*` with logger=wandb."""

    project: Name
    entity: Name | None
    mode: Literal["auto", "online", "offline"]
    tags: Annotated[list[Name], Field(description="a list of words, like [first,draft]")]


LOGGERS: dict[str, type[LoggerOptions]] = {
    "none": LoggerOptions,
    "csv": FileLoggerOptions,
    "tensorboard": FileLoggerOptions,
    "wandb": WandbOptions,
}
"""By `logger.name`."""


class Config(Options):
    """The validated configuration of a run; `validate` builds it from what Hydra composed."""

    seed: Annotated[int, Field(ge=0, lt=2**63)]
    force: bool
    output_root: Folder
    data_root: Folder
    recipe: Name
    act: ActivationOptions
    task: TaskOptions
    data: DataOptions
    model: ModelOptions
    optim: OptimOptions
    trainer: TrainerOptions
    logger: LoggerOptions

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The configuration as plain dicts and lists, with the given keys only."""
        return super().model_dump(**{"exclude_unset": True, **options})

    @model_validator(mode="after")
    def _selects_on_what_is_there(self) -> "Config":
        keys = self.data.validation_keys()
        if self.trainer.selection == "validation" and not any(keys.values()):
            choices = " or ".join(["trainer.selection=last", *(f"{key}=…" for key in keys)])
            raise BadInput(f"trainer.selection=validation needs a validation set, and there is none; set {choices}")
        return self

    @model_validator(mode="after")
    def _warms_up_within_training(self) -> "Config":
        warmup, epochs = self.optim.schedule.warmup_epochs, self.trainer.epochs
        if warmup > epochs:
            raise BadInput(
                f"optim.schedule.warmup_epochs={literal(warmup)} is not accepted with trainer.epochs={epochs}; "
                f"accepted: a number ≥ 0 and ≤ {epochs}"
            )
        return self


def validate(cfg: DictConfig | Config | dict[str, Any]) -> Config:
    """The configuration that Hydra composed, or plain values, as typed objects; a typed one is returned unchanged.

    Raises:
        BadInput: a key is unknown, missing or out of its range; the message says what is accepted.
    """
    if isinstance(cfg, Config):
        return cfg
    values = cfg if isinstance(cfg, dict) else as_dict(cfg)
    model = _config_class(values)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise first_mistake(error, model, values) from None


def _config_class(values: dict[str, Any]) -> type[Config]:
    """`Config` with the options of the task, data, model and logger that `values` name."""
    spec = spec_of(_named(values, "task.name"))
    parts = {
        "task": spec.task,
        "data": _chosen(values, "data.source", spec.data),
        "model": _chosen(values, "model.architecture", spec.models),
        "logger": _chosen(values, "logger.name", LOGGERS),
    }
    fields: dict[str, Any] = {name: (options, ...) for name, options in parts.items()}
    return create_model("Config", __base__=Config, **fields)


def _named(values: dict[str, Any], key: str) -> str:
    group, name = key.split(".")
    node = values.get(group)
    word = node.get(name) if isinstance(node, dict) else None
    if not isinstance(word, str):
        task = values["task"].get("name") if isinstance(values.get("task"), dict) else None
        file = f"; it is set by a file {group}/{task}/NAME.yaml" if group in GROUPS_BY_TASK and task else ""
        raise BadInput(f"{key} is missing{file}; choose with {group}=…")
    return word


def _chosen(values: dict[str, Any], key: str, known: Mapping[str, type[Options]]) -> type[Options]:
    word = _named(values, key)
    if word not in known:
        raise unknown(key, word, known)
    return known[word]


def check_choices(choices: dict[str, str]) -> None:
    """Raises `BadInput` for a data, model or recipe that the chosen task does not have."""
    task = choices["task"]
    for group in GROUPS_BY_TASK:
        known = options_of(group, task)
        if known and choices[group] not in known:
            raise unknown(f"{group} for task={task}:", choices[group], known)
