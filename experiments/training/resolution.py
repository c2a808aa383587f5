"""Resolves a configuration on this machine: device, precision, threads and activation."""

import importlib

import torch

from carelu import ActivationFactory, activation_names
from experiments.configuration.schema import Config, TrainerOptions
from experiments.errors import BadInput
from experiments.training.activation_check import check_activation


def resolve_auto(config: Config) -> Config:
    """A copy of `config` with device, precision and threads resolved for this machine.

    Raises:
        BadInput: the machine lacks the device, or the device does not support the precision or threads.
    """
    trainer = config.trainer
    device = _device(trainer.device)
    resolved = {
        "device": device,
        "precision": _precision(trainer.precision, cuda=device != "cpu"),
        "threads": _threads(trainer, cuda=device != "cpu"),
    }
    return config.model_copy(update={"trainer": trainer.model_copy(update=resolved)})


def _device(word: str) -> str:
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if word == "auto":
        return "cuda" if devices else "cpu"
    here = ["cpu", *(["cuda", *devices] if devices else [])]
    if word not in here:
        raise BadInput(
            f"trainer.device={word} is not available on this machine; accepted here: {', '.join(['auto', *here])}"
        )
    return word


def _precision(word: str, cuda: bool) -> str:
    has_bfloat16 = not cuda or torch.cuda.is_bf16_supported()
    if word == "auto":
        return "bfloat16" if cuda and has_bfloat16 else "float32"
    if word == "float16" and not cuda:
        raise BadInput("trainer.precision=float16 needs a CUDA device; accepted on cpu: float32, bfloat16")
    if word == "bfloat16" and not has_bfloat16:
        raise BadInput("trainer.precision=bfloat16 is not supported by this GPU; accepted here: float32, float16")
    return word


def _threads(trainer: TrainerOptions, cuda: bool) -> int | None:
    if not cuda:
        return trainer.threads or torch.get_num_threads()
    if trainer.threads is not None:
        raise BadInput(f"trainer.threads={trainer.threads} is for a CPU; accepted on a GPU: null")
    return None


def activation_factory(config: Config) -> ActivationFactory:
    """The activation that `config` describes, tried on small tensors.

    Args:
        config: the configuration; its trainer is resolved.

    Raises:
        BadInput: an option that it does not accept, a module of one's own that cannot be imported, or a class that
            cannot be trained.
    """
    name, options, package = config.act.name, config.act.options, config.act.package
    if package:
        _register(name, package)
    try:
        factory = ActivationFactory(name, **options)
    except Exception as error:  # a class of someone's own may raise anything
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        own = "" if name in activation_names() else f"; for one of your own add package: MODULE to act/{name}.yaml"
        raise BadInput(f"act={name} with act.options={options} is not accepted: {kind}{error}{own}") from error
    check_activation(factory, config.trainer.precision, torch.device(config.trainer.device))
    return factory


def _register(name: str, package: str) -> None:
    """Imports the module that registers an activation of one's own."""
    key = f"act={name}: act.package={package}"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{key} cannot be imported ({error}); put the folder that holds the module on PYTHONPATH"
        ) from error
    except Exception as error:  # a module of someone's own may raise anything
        said = f"{type(error).__name__}: {error}"
        raise BadInput(f"{key} fails while it is imported ({said}); correct the module") from error
    if name not in activation_names():
        raise BadInput(
            f'{key} registers no activation of that name ({module.__file__}); write @register("{name}") above its '
            f"class, with `name` in act/{name}.yaml the same"
        )
