"""What a configuration means on this machine: device and precision, and the activation; mistakes show here, early."""

import torch
from omegaconf import DictConfig

from carelu import ActivationFactory
from experiments.configuration.composition import as_dict
from experiments.errors import BadInput
from experiments.tasks.activation_sites import activate


def resolve_auto(config: DictConfig) -> DictConfig:
    """A copy of `config` with "auto" replaced by the device and precision of this machine.

    Raises:
        BadInput: this machine does not have the device, or the device does not support the precision.
    """
    config = config.copy()
    trainer = config.trainer
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if trainer.device == "auto":
        trainer.device = "cuda" if devices else "cpu"
    here = ["cpu", *(["cuda", *devices] if devices else [])]
    if trainer.device not in here:
        raise BadInput(
            f"trainer.device={trainer.device} is not on this machine; accepted here: {', '.join(['auto', *here])}"
        )
    cuda = trainer.device != "cpu"
    if trainer.precision == "auto":
        trainer.precision = "bfloat16" if cuda and torch.cuda.is_bf16_supported() else "float32"
    if trainer.precision == "float16" and not cuda:
        raise BadInput("trainer.precision=float16 needs a CUDA device; accepted on cpu: float32, bfloat16")
    if trainer.precision == "bfloat16" and cuda and not torch.cuda.is_bf16_supported():
        raise BadInput("trainer.precision=bfloat16 is not supported by this GPU; accepted here: float32, float16")
    return config


def activation_factory(config: DictConfig) -> ActivationFactory:
    """The activation that `config` describes.

    Raises:
        BadInput: an option that it does not accept.
    """
    options = as_dict(config)["act"]["options"]
    try:
        factory = ActivationFactory(config.act.name, **options)
        # Some options are checked only when the activation is applied.
        module, images = factory(channels=4, sample_dims=(1, 2, 3), pre_norm=True), torch.zeros(2, 4, 2, 2)
        activate(module, images, pre_norm=images)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        raise BadInput(f"act={config.act.name} with act.options={options} is not accepted: {error}") from error
    return factory
