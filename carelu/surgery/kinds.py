"""What counts as an activation between layers: classes, functions, and callables held as attributes.

Gates and outputs (sigmoid, tanh, softmax, softplus as a function) do not. Classes of transformers and timm are known by
name, so neither package is imported.
"""

import dis
import functools
import inspect
from collections.abc import Callable, Iterator
from types import CodeType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carelu.registry import activation_classes

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
"""torch's classes that `replace_activations` replaces by default: activations between layers, not gates or outputs."""

NAMED_CLASSES: dict[str, frozenset[str]] = {
    "transformers": frozenset(
        (
            *("GELUActivation", "NewGELUActivation", "FastGELUActivation", "QuickGELUActivation", "GELUTanh"),
            *("ClippedGELUActivation", "AccurateGELUActivation", "PytorchGELUTanh", "BloomGelu", "SiLUActivation"),
            *("MishActivation", "ReLUSquaredActivation", "XIELUActivation"),
        )
    ),
    "timm": frozenset(
        (
            *("GELU", "GELUTanh", "QuickGELU", "Swish", "SwishMe", "Mish", "MishMe", "HardSwish", "HardSwishMe"),
            *("HardMish", "HardMishMe", "PReLU"),
        )
    ),
}
"""Classes of other packages, by the package and the name of the class."""

NAMED_GATES: dict[str, frozenset[str]] = {"timm": frozenset(["HardSigmoid", "HardSigmoidMe", "Sigmoid", "Tanh"])}
"""Classes that call an activation inside but are gates."""

NAMED_FUNCTIONS: dict[str, frozenset[str]] = {
    "timm": frozenset(["swish", "mish", "hard_swish", "hard_mish", "gelu", "gelu_tanh", "quick_gelu"])
}
"""Functions of other packages that models hold as attributes."""

FUNCTIONS: dict[Callable, str] = {
    F.relu: "relu",
    torch.relu: "relu",
    torch.relu_: "relu",
    Tensor.relu: "relu",
    Tensor.relu_: "relu",
    F.relu6: "relu6",
    F.leaky_relu: "leaky_relu",
    F.leaky_relu_: "leaky_relu",
    F.rrelu: "rrelu",
    torch.rrelu: "rrelu",
    torch.rrelu_: "rrelu",
    F.elu: "elu",
    F.elu_: "elu",
    F.celu: "celu",
    torch.celu: "celu",
    torch.celu_: "celu",
    F.selu: "selu",
    torch.selu: "selu",
    torch.selu_: "selu",
    F.gelu: "gelu",
    F.silu: "silu",
    F.mish: "mish",
    F.hardswish: "hardswish",
}
"""Functions of torch that count as activations, and their names."""

IN_PLACE: frozenset[Callable] = frozenset(
    {torch.relu_, Tensor.relu_, F.leaky_relu_, torch.rrelu_, F.elu_, torch.celu_, torch.selu_}
)
"""Those whose callers may ignore the result and go on with the tensor that they passed."""


class Kinds:
    """The classes and functions to replace.

    Args:
        replace: classes of modules and functions of torch, or None for the usual ones.

    Raises:
        ValueError: an entry is neither a class of modules nor a known function.
    """

    def __init__(self, replace: object = None):
        self.named = replace is None
        self.classes: tuple[type[nn.Module], ...] = TORCH_ACTIVATIONS + activation_classes()
        self.functions = frozenset(FUNCTIONS.values())
        if replace is not None:
            entries = list(replace) if isinstance(replace, list | tuple | set | frozenset) else [replace]
            for entry in entries:
                if not _is_module_class(entry) and function_name(entry) is None:
                    raise ValueError(
                        f"replace={entry!r} is neither a class of modules nor a function such as F.relu; "
                        "accepted: a list of classes, for example replace=[torch.nn.ReLU, torch.nn.functional.relu]"
                    )
            self.classes = tuple(e for e in entries if isinstance(e, type) and issubclass(e, nn.Module))
            names = (function_name(entry) for entry in entries if not _is_module_class(entry))
            self.functions = frozenset(name for name in names if name is not None)

    def holds(self, module: nn.Module) -> bool:
        """Whether `module` is to be replaced."""
        return isinstance(module, self.classes) or (self.named and _is_named(type(module), NAMED_CLASSES))


def _is_module_class(entry: object) -> bool:
    return isinstance(entry, type) and issubclass(entry, nn.Module)


def is_known_activation_or_gate(module: nn.Module) -> bool:
    """Whether functions that `module` calls are its own business: a known activation, a gate, or one of torch's."""
    if isinstance(module, TORCH_ACTIVATIONS + activation_classes()):
        return True
    return _is_named(type(module), NAMED_CLASSES) or _is_named(type(module), NAMED_GATES)


def _is_named(kind: type, names: dict[str, frozenset[str]]) -> bool:
    return any(each.__name__ in names.get(each.__module__.partition(".")[0], ()) for each in kind.__mro__)


def function_name(value: object) -> str | None:
    """The name of the activation function that `value` is, or that it is a `functools.partial` of; None otherwise."""
    if isinstance(value, functools.partial):
        return function_name(value.func)
    if not callable(value) or isinstance(value, nn.Module | type):
        return None
    try:
        if value in FUNCTIONS:
            return FUNCTIONS[value]
    except TypeError:  # not hashable
        return None
    name, package = getattr(value, "__name__", ""), str(getattr(value, "__module__", "")).partition(".")[0]
    return name if name in NAMED_FUNCTIONS.get(package, ()) else None


def functions_in_code(module: nn.Module) -> list[str]:
    """The activation functions that the methods of `module`'s class name, found without running them.

    Only names that the code reads from its globals are seen (`F.relu`, `torch.nn.functional.gelu`, `relu`), and code
    may name a function that it never calls. Classes of torch itself are passed over.
    """
    return list(_functions_of_class(type(module)))


@functools.cache
def _functions_of_class(kind: type[nn.Module]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for each in kind.__mro__:
        if each.__module__.startswith("torch.nn.modules.") or each is object:
            continue
        for value in vars(each).values():
            function = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else None
            if inspect.isfunction(function):
                names.update(dict.fromkeys(_named_in(function.__code__, function.__globals__)))
    return tuple(names)


def _named_in(code: CodeType, scope: dict[str, object]) -> Iterator[str]:
    value: object = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            value = scope.get(instruction.argval)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            value = getattr(value, instruction.argval, None) if inspect.ismodule(value) else None
        elif instruction.opname not in ("PUSH_NULL", "CACHE"):
            value = None
        name = None if value is None or isinstance(value, type) else function_name(value)
        if name is not None:
            yield f"F.{name}"
