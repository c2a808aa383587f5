"""Replaces the activations of an existing model."""

from torch import nn

from carelu.registry import ActivationFactory, activation_classes

TORCH_ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.RReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Softplus,
)
"""The default classes that `replace_activations` replaces: activations between layers, not gates or outputs."""


def replace_activations(
    model: nn.Module,
    name: str = "carelu",
    *,
    replace: tuple[type[nn.Module], ...] | None = None,
    **options: object,
) -> list[str]:
    """Replaces each activation module of `model` by a new one, in place.

    Each name in the model gets its own module, on the device of the model's parameters. An activation
    that is made of others is replaced as a whole. A module that the model calls at several places stays
    one module, with one set of parameters (like `relu` in torchvision's ResNet blocks). Activations
    called as functions are not replaced.

    Args:
        model: any module that has activations as submodules.
        name: a registered activation, see `activation_names`.
        replace: the classes to replace; default: torch's usual ones and those of this library.
        **options: options of the activation, see `activation_options`. For transformers use
            `over="feature"`, so that tokens, and with them padding, do not compete.

    Returns:
        The names of the replaced modules, as in `named_modules`.

    Raises:
        ValueError: unknown activation or option, one that needs the tensor before normalisation, or
            nothing in the model to replace.
    """
    factory = ActivationFactory(name, **options)
    if getattr(factory.stand_alone(), "needs_pre_norm", False):
        raise ValueError(
            f"{name!r} with competition_input='pre_norm' needs the tensor before normalisation, which a model that was "
            "not written for it does not pass; use competition_input='normalised'"
        )
    if replace is None:
        replace = TORCH_ACTIVATIONS + activation_classes()
    parameter = next(model.parameters(), None)
    paths: list[str] = []
    for path, module in model.named_modules(remove_duplicate=False):
        inside_of_another = any(path.startswith(f"{outer}.") for outer in paths)
        if path and isinstance(module, replace) and not inside_of_another:
            paths.append(path)
    if not paths:
        raise ValueError(
            f"{type(model).__name__} has no activation module to replace; activations called as functions "
            "are not found, and other classes can be named with replace=(…,)"
        )
    for path in paths:
        parent, _, child = path.rpartition(".")
        module = factory.stand_alone()
        setattr(model.get_submodule(parent), child, module if parameter is None else module.to(parameter.device))
    return paths
