"""What a model costs, counted and not timed: the floating-point operations of a forward pass, activation parameters."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from carelu import activation_modules


def inputs_of(model: nn.Module, forward: Callable[[], object]) -> tuple[Tensor, ...]:
    """The positional arguments of the first call of `model` while `forward` runs.

    Args:
        model: the model.
        forward: calls it.

    Raises:
        ValueError: it does not call the model.
    """
    seen: list[tuple[Tensor, ...]] = []
    hook = model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments))
    try:
        forward()
    finally:
        hook.remove()
    if not seen:
        raise ValueError("the model was not called")
    return seen[0]


def forward_flops(model: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Floating-point operations of the matrix products and convolutions of a forward pass for one example.

    A multiplication and an addition count as two. Pointwise operations, and with them the activations, do not count.

    Args:
        model: in evaluation mode.
        inputs: batches, the example being the first of each.
    """
    counter = FlopCounterMode(display=False)
    without_autocast = torch.autocast(inputs[0].device.type, enabled=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a setting for Intel's GPUs, which `flags` touches
        # Without oneDNN an LSTM is computed by matrix products, which are counted.
        with counter, torch.no_grad(), without_autocast, torch.backends.mkldnn.flags(enabled=False):
            model(*(each[:1] for each in inputs))
    return int(counter.get_total_flops())


def activation_parameters(model: nn.Module) -> int:
    """The learned parameters of all activations, as α and β."""
    return sum(parameter.numel() for _, module in activation_modules(model) for parameter in module.parameters())
