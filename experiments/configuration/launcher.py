"""The accepted values of the options of hydra/launcher; the file of each launcher lists those that it has."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from experiments.configuration.options import Count, Name, NonNegativeInteger, Options, Positive, first_mistake

_One = Annotated[int, Field(ge=1, le=1, description="1, as a run is one process")]


class LauncherOptions(Options):
    """`hydra.launcher.*`; each is set only if the command line gives it."""

    model_config = ConfigDict(extra="allow")

    workers: Count | None = None
    per_gpu: Count = 1
    nodes: _One = 1
    tasks_per_node: _One = 1
    timeout_min: Count = 1
    signal_delay_s: Count = 1
    max_num_timeout: NonNegativeInteger = 0
    array_parallelism: Count = 1
    gpus_per_node: NonNegativeInteger | None = None
    cpus_per_task: Count | None = None
    mem_gb: Positive | None = None
    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: Name | None = None


def check_launcher_options(values: dict[str, Any]) -> None:
    """Raises `BadInput` for the first of these values, by dotted key, that is out of its range."""
    prefix = "hydra.launcher"
    options = {key.removeprefix(f"{prefix}."): value for key, value in values.items()}
    try:
        LauncherOptions.model_validate(options)
    except ValidationError as error:
        raise first_mistake(error, LauncherOptions, options, prefix) from None
