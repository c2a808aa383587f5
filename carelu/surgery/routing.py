"""Gives a module of its own to each activation function that a `forward` calls.

The module's class gives way to a subclass whose `forward` runs under a mode that sends the n-th of these calls to the
n-th new module. So do the module's own methods that its `forward` calls, where they are called directly, with the part
of these calls that is theirs. This survives copying, pickling, `torch.compile` and `torch.export`. What the module's
children call is not touched: they are sealed by hooks.
"""

import functools
import threading
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from carelu.surgery.kinds import FUNCTIONS, IN_PLACE

Route = tuple[str, str | None]
"""The function's name, and the name of the child that answers its call; None leaves the call as it is."""

Span = tuple[int, tuple[int, ...]]
"""The index of the first route of a method, and how many calls it may make, in one invocation or another."""

FORWARD = "forward"


class _Running(threading.local):
    """The routed modules whose own code runs, outermost first; None for a sealed one."""

    def __init__(self) -> None:
        self.modules: list[_Routed | None] = []


_RUNNING = _Running()


class _Router(TorchFunctionMode):
    """Sends the activation functions that one call of a module's method makes to the module's children."""

    def __init__(self, module: "_Routed", method: str, span: Span):
        super().__init__()
        self.module, self.method = module, method
        self.start, self.counts = span
        self.position = self.start

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in FUNCTIONS and _RUNNING.modules and _RUNNING.modules[-1] is self.module:
            child = self._next_child(FUNCTIONS[func])
            if child is not None:
                z = args[0] if args else (kwargs or {})["input"]
                return z.copy_(child(z.clone())) if func in IN_PLACE else child(z)
        return func(*args, **(kwargs or {}))

    def _next_child(self, function: str) -> nn.Module | None:
        routes = self.module._activation_routes
        if self.position >= self.start + self.counts[-1] or routes[self.position][0] != function:
            raise RuntimeError(
                f"{self._name()} calls F.{function} as its activation function number "
                f"{self.position - self.start + 1}, which {_NOT_SHOWN}"
            )
        child = routes[self.position][1]
        self.position += 1
        return None if child is None else getattr(self.module, child)

    def check_all_used(self) -> None:
        """Refuses a path with fewer calls than the example inputs showed: each may have met the child of another."""
        count = self.position - self.start
        if count not in self.counts:
            raise RuntimeError(
                f"{self._name()} called {count} activation functions instead of {' or '.join(map(str, self.counts))}, "
                f"which {_NOT_SHOWN}"
            )

    def _name(self) -> str:
        name = type(self.module).__name__
        return name if self.method == FORWARD else f"{name}.{self.method}"


_NOT_SHOWN = (
    "the example_inputs of replace_activations did not show; replace the activations again on a new model, with "
    "inputs that take this path (and call the model once between exchanging a child and compiling)"
)


class _Routed(nn.Module):
    """What a routed module adds to its class."""

    _activation_routes: tuple[Route, ...]
    _activation_spans: dict[str, Span | None]
    _routed_from: tuple[type[nn.Module], tuple[str, ...]]

    def __reduce_ex__(self, protocol: object) -> tuple:
        return _new_routed, self._routed_from, self.__dict__


def _routed_method(kind: type[nn.Module], name: str) -> Callable:
    original = getattr(kind, name)

    @functools.wraps(original)
    def routed(self: _Routed, *args: object, **kwargs: object) -> object:
        if name != FORWARD and _RUNNING.modules and _RUNNING.modules[-1] is not None:
            return original(self, *args, **kwargs)
        return _run(self, name, original, args, kwargs)

    return routed


def _run(module: _Routed, name: str, original: Callable, args: tuple, kwargs: dict) -> object:
    """Calls a method of a routed module under a router of its own."""
    span = module._activation_spans[name]
    if span is None:
        word = type(module).__name__
        raise RuntimeError(
            f"{word}.{name} was called several times in one forward when its activations were replaced, each time "
            f"with activations of its own, so that a direct call cannot choose; call {word} itself, or make {name} a "
            "module before replacing"
        )
    if not torch.compiler.is_dynamo_compiling():  # children may have been exchanged since the last call
        _seal_children_of(module)
    depth = len(_RUNNING.modules)
    router = _Router(module, name, span)
    _RUNNING.modules.append(module)
    try:
        with router:
            result = original(module, *args, **kwargs)
    finally:
        del _RUNNING.modules[depth:]
    router.check_all_used()
    return result


@functools.cache
def _routed_class(kind: type[nn.Module], methods: tuple[str, ...]) -> type[nn.Module]:
    overridden = {name: _routed_method(kind, name) for name in methods}
    about = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_routed_from": (kind, methods)}
    return type(kind.__name__, (_Routed, kind), {**about, **overridden})


def _new_routed(kind: type[nn.Module], methods: tuple[str, ...]) -> nn.Module:
    routed = _routed_class(kind, methods)
    return routed.__new__(routed)


def is_routed(module: nn.Module) -> bool:
    """Whether functions that `module` calls have modules of their own already."""
    return isinstance(module, _Routed)


def routes_of(module: nn.Module) -> tuple[Route, ...]:
    """The routes of a routed module."""
    return module.__dict__["_activation_routes"]


def spans_of(module: nn.Module) -> dict[str, Span | None]:
    """The part of the routes that belongs to each method of a routed module; None where a method has several."""
    return module.__dict__["_activation_spans"]


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


def route(module: nn.Module, routes: list[Route], spans: Mapping[str, Span | None] | None = None) -> None:
    """Makes `module` send its calls of activation functions to the children that `routes` names, in their order.

    `spans` says which of them `forward` and the methods that it calls make; by default `forward` makes all of them.
    """
    spans = {FORWARD: (0, (len(routes),)), **(spans or {})}
    if not is_routed(module):
        module.__class__ = _routed_class(type(module), tuple(sorted(spans)))
    module.__dict__["_activation_routes"] = tuple(routes)
    module.__dict__["_activation_spans"] = spans


def seal_children(model: nn.Module) -> None:
    """Keeps what the children of routed modules call away from the routes of their parents."""
    for module in model.modules():
        if is_routed(module):
            _seal_children_of(module)


def _seal_children_of(module: nn.Module) -> None:
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
