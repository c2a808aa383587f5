"""Parameter groups for an optimizer: the learned parameters of activations apart from those of the layers."""

from torch import nn

from carelu.registry import is_activation

Group = dict[str, object]


def activation_parameters(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of the activations in `model` (α, β, slopes), each once, torch's PReLU included."""
    activations = (module for module in model.modules() if is_activation(module) or isinstance(module, nn.PReLU))
    return list({id(p): p for module in activations for p in module.parameters()}.values())


def param_groups(
    model: nn.Module, *, weight_decay: float | None = None, lr: float | None = None, lr_scale: float = 1.0
) -> list[Group]:
    """Two groups for an optimizer of torch: the parameters of the layers, and those of the activations.

    Weight decay is for weights whose scale a normalisation undoes. It would draw β to 0, and with it the scale of
    CAReLU: from 1 to 0.16 in 2,000 steps of AdamW that have no gradient, a weight decay of 0.1 and a learning rate
    of 0.01. So the parameters of the activations have none.

    Args:
        model: the model, with its activations in place.
        weight_decay: that of the layers; None: that of the optimizer.
        lr: the learning rate of the layers; None: that of the optimizer.
        lr_scale: learning rate of the activations' parameters over that of the layers; other than 1, it needs `lr`.

    Returns:
        The groups, without the second where no activation has parameters.

    Raises:
        ValueError: a number is negative, or `lr_scale` is not 1 and `lr` is missing.
    """
    for name, value in (("weight_decay", weight_decay), ("lr", lr), ("lr_scale", lr_scale)):
        if value is not None and not value >= 0:
            raise ValueError(f"{name}={value} is not accepted; accepted: a number ≥ 0")
    if lr is None and lr_scale != 1:
        raise ValueError(f"lr_scale={lr_scale} needs the learning rate that it scales; give it as lr=…")
    of_activations = activation_parameters(model)
    known = set(map(id, of_activations))
    layers: Group = {"params": [p for p in model.parameters() if id(p) not in known]}
    activations: Group = {"params": of_activations, "weight_decay": 0.0}
    if weight_decay is not None:
        layers["weight_decay"] = weight_decay
    if lr is not None:
        layers["lr"], activations["lr"] = lr, lr * lr_scale
    return [layers, activations] if of_activations else [layers]
