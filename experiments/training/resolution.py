"""What this machine makes of `auto` and null: device, precision and threads of a run."""

import torch

from experiments.configuration.schema import Config, TrainerOptions
from experiments.errors import BadInput


def resolve_auto(config: Config) -> Config:
    """A copy of `config` in which device, precision and threads are those of this machine.

    Raises:
        BadInput: a device that is not here, or a precision or threads that it does not have.
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
        raise BadInput(f"trainer.device={word} is not on this machine; accepted here: {', '.join(['auto', *here])}")
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
