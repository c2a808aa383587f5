"""Gives a module of its own to each activation function that a `forward` calls.

The module's class gives way to a subclass whose `forward` runs under a mode that sends the n-th of these calls to the
n-th new module. This survives copying, pickling, `torch.compile` and `torch.export`. What the module's children call
is not touched: they are sealed by hooks.
"""

import functools
import threading
from collections.abc import Iterator

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from carelu.surgery.kinds import FUNCTIONS, IN_PLACE

Route = tuple[str, str | None]
"""The function's name, and the name of the child that answers its call; None leaves the call as it is."""


class _Running(threading.local):
    """The routed modules whose own code runs, outermost first; None for a sealed one."""

    def __init__(self) -> None:
        self.modules: list[_Routed | None] = []


_RUNNING = _Running()


class _Router(TorchFunctionMode):
    """Sends the activation functions that one call of a module makes to the module's children."""

    def __init__(self, module: "_Routed"):
        super().__init__()
        self.module = module
        self.position = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in FUNCTIONS and _RUNNING.modules and _RUNNING.modules[-1] is self.module:
            child = self._next_child(FUNCTIONS[func])
            if child is not None:
                z = args[0] if args else (kwargs or {})["input"]
                return z.copy_(child(z.clone())) if func in IN_PLACE else child(z)
        return func(*args, **(kwargs or {}))

    def _next_child(self, function: str) -> nn.Module | None:
        routes = self.module._activation_routes
        if self.position >= len(routes) or routes[self.position][0] != function:
            raise RuntimeError(
                f"{type(self.module).__name__} calls F.{function} as its activation function number "
                f"{self.position + 1}, which the example_inputs of replace_activations did not show; "
                "replace the activations again on a new model, with inputs that take this path"
            )
        child = routes[self.position][1]
        self.position += 1
        return None if child is None else getattr(self.module, child)


class _Routed:
    """What a routed module adds to its class."""

    _activation_routes: tuple[Route, ...]

    def forward(self, *args: object, **kwargs: object) -> object:
        depth = len(_RUNNING.modules)
        _RUNNING.modules.append(self)
        try:
            with _Router(self):
                return super().forward(*args, **kwargs)  # type: ignore[misc]
        finally:
            del _RUNNING.modules[depth:]

    def __reduce_ex__(self, protocol: object) -> tuple:
        return _new_routed, (type(self).__mro__[2],), self.__dict__


@functools.cache
def _routed_class(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (_Routed, kind), {"__module__": kind.__module__, "__doc__": kind.__doc__})


def _new_routed(kind: type[nn.Module]) -> nn.Module:
    routed = _routed_class(kind)
    return routed.__new__(routed)


def is_routed(module: nn.Module) -> bool:
    """Whether functions that `module` calls have modules of their own already."""
    return isinstance(module, _Routed)


def routes_of(module: nn.Module) -> tuple[Route, ...]:
    """The routes of a routed module."""
    return module.__dict__["_activation_routes"]


def why_not_routable(module: nn.Module) -> str | None:
    """Why the functions that `module` calls cannot be replaced, or None if they can."""
    if isinstance(module, torch.fx.GraphModule):
        return "it is a torch.fx graph"
    if "forward" in vars(module):
        return "its forward was exchanged for another function"
    return None


def child_name(module: nn.Module, position: int, function: str) -> str:
    """The name of the new child for the call at `position` in the order of calls."""
    name = f"functional_{position}_{function}"
    while hasattr(module, name):
        name += "_"
    return name


def route(module: nn.Module, routes: list[Route]) -> None:
    """Makes `module` send its calls of activation functions to the children that `routes` names, in their order."""
    if not is_routed(module):
        module.__class__ = _routed_class(type(module))
    module.__dict__["_activation_routes"] = tuple(routes)


def seal_children(model: nn.Module) -> None:
    """Keeps what the children of routed modules call away from the routes of their parents."""
    for module in model.modules():
        if is_routed(module):
            for child in _called_children(module):
                if not is_routed(child) and _enter not in child._forward_pre_hooks.values():
                    child.register_forward_pre_hook(_enter)
                    child.register_forward_hook(_leave, always_call=True)


def _called_children(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _called_children(child)
        elif not _calls_no_activation(child):
            yield child


def _calls_no_activation(module: nn.Module) -> bool:
    kind = type(module).__module__
    return kind.startswith("torch.nn.modules.") and kind.rpartition(".")[2] not in (
        "activation",
        "container",
        "transformer",
    )


def _enter(module: nn.Module, args: object) -> None:
    _RUNNING.modules.append(None)


def _leave(module: nn.Module, args: object, output: object) -> None:
    if _RUNNING.modules:  # a call that a hook before this one ended has not entered
        _RUNNING.modules.pop()
