"""What the activations of a model have learned: their parameters, and for CAReLU its share and scale."""

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from carelu import CAReLU, activation_modules


@torch.no_grad()
def activation_statistics(model: nn.Module, forward: Callable[[], object]) -> dict[str, dict[str, float]]:
    """For each activation module with parameters: their means, and for CAReLU its share and scale.

    Args:
        model: the model.
        forward: applies the model to the data to measure on.

    Returns:
        Module name → {parameter name: its mean}; for CAReLU also `share` (mean of p over all elements
        of the competition), `share_std` (its standard deviation) and `scale` (mean of K tanh(α p + β)).
    """
    learning = [(name, module) for name, module in activation_modules(model) if any(True for _ in module.parameters())]
    shares: dict[str, list[Tensor]] = defaultdict(list)
    hooks = [
        module.register_forward_pre_hook(
            lambda module, inputs, name=name: shares[name].append(module.share(*inputs).flatten())
        )
        for name, module in learning
        if isinstance(module, CAReLU)
    ]
    try:
        if hooks:
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    statistics = {}
    for name, module in learning:
        values = {key: float(parameter.mean()) for key, parameter in module.named_parameters()}
        if shares[name]:
            share = shares[name][0]
            values["share"] = float(share.mean())
            values["share_std"] = float(share.std(correction=0))
            values["scale"] = float(module.scale(share).mean())
        statistics[name] = values
    return statistics
