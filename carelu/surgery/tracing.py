"""Runs a model once in evaluation and once in training mode, and notes which activations are called, and with what."""

import contextlib
import copy
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from carelu.surgery.channels import Channels, tensors_in
from carelu.surgery.kinds import FUNCTIONS, IN_PLACE, is_known_activation_or_gate
from carelu.surgery.passes import call, kept, undisturbed
from carelu.surgery.sites import Site, held


@dataclass
class Call:
    """One call of an activation.

    Attributes:
        shape: the shape of its input.
        dim: the dimension of the channels, or None if it is unknown.
        function: the name of the function, for a call that no module or attribute stands for.
        line: where the code calls it.
        attribute: the name of the site whose function makes the call, for one inside a function held as an attribute.
        methods: the own methods of the module between its `forward` and the call, innermost first, each with the
            number of its entry in this invocation.
        recomputed: for each `torch.utils.checkpoint` around the call, the method that it recomputes; "" for a closure.
        in_place: whether the function overwrites its input, and its caller may go on with that.
    """

    shape: tuple[int, ...]
    dim: int | None = None
    function: str = ""
    line: str = ""
    attribute: str = ""
    methods: tuple[tuple[str, int], ...] = ()
    recomputed: tuple[str, ...] = ()
    in_place: bool = False

    def learn(self, dim: int) -> None:
        """Notes the dimension of the channels."""
        self.dim = dim


@dataclass
class Trace:
    """What the forward passes showed.

    Attributes:
        calls: the calls of each site, by its name, in the pass that called it most.
        functions: the activation functions that the own code of each module calls, by the module's name: for the
            first, second, … call of one invocation the calls in all invocations of a pass.
        invocations: the same calls by invocation, of both passes; an invocation without calls has an empty list.
        unsteady: modules whose invocations call functions in no common order.
        problems: passes that could not be made, one sentence each.
    """

    calls: dict[str, list[Call]] = field(default_factory=dict)
    functions: dict[str, list[list[Call]]] = field(default_factory=dict)
    invocations: dict[str, list[list[Call]]] = field(default_factory=dict)
    unsteady: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def trace(model: nn.Module, sites: list[Site], inputs: object) -> Trace:
    """Calls `model` with `inputs`, without gradients, and leaves it as it was: modes, buffers, inputs, random states.

    Raises:
        ValueError: the model does not accept the inputs, or has a parameter without a shape yet.
    """
    _refuse_lazy(model)
    result = Trace()
    for training in (False, True):
        observer = _Observer(model, sites)
        try:
            with kept(inputs), traceable(model, training), observer.installed(), observer:
                call(model, inputs)
        except Exception as error:  # models raise errors of every kind
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            if not training:
                raise ValueError(
                    f"example_inputs cannot be passed to {type(model).__name__} ({reason}); accepted: a tensor, "
                    "a tuple of positional arguments or a dictionary of keyword arguments"
                ) from error
            result.problems.append(f"In training mode example_inputs fail, so only evaluation was traced ({reason}).")
            continue
        _merge(result, observer)
    return result


def _refuse_lazy(model: nn.Module) -> None:
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(value):
            raise ValueError(
                f"{name} of {type(model).__name__} has no shape yet, and tracing would set it and start it from a "
                "fixed seed; call the model once first"
            )


def _merge(result: Trace, observer: "_Observer") -> None:
    for name, calls in observer.calls.items():
        if len(calls) > len(result.calls.get(name, [])):
            result.calls[name] = calls
    for name, invocations in observer.functions.items():
        result.invocations.setdefault(name, []).extend(invocations)
        if not any(invocations):
            continue
        positions: list[list[Call]] = [[] for _ in range(max(map(len, invocations)))]
        for calls in invocations:
            for position, each in zip(positions, calls, strict=False):
                position.append(each)
        known = result.functions.get(name, [])
        together = [*positions, *known[len(positions) :]]
        for index, position in enumerate(known[: len(positions)]):
            if {each.line for each in position} != {each.line for each in positions[index]}:
                result.unsteady.append(name)
            together[index] = max(position, positions[index], key=len)
        if any(len({each.line for each in position}) > 1 for position in positions):
            result.unsteady.append(name)
        result.functions[name] = together


@contextlib.contextmanager
def traceable(model: nn.Module, training: bool) -> Iterator[None]:
    """The model in the mode asked for, without what would keep its activations from being called."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # the fused encoder layer calls no activation
        compiled = any(type(module).__name__ == "OptimizedModule" for module in model.modules())
        eager = torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext()
        with undisturbed(model, training), torch.no_grad(), eager:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


class _Invocation:
    """One invocation of a module.

    Attributes:
        calls: the activation functions that the module's own code calls; None where they do not count.
    """

    def __init__(self, module: nn.Module, counts: bool):
        self.calls: list[Call] | None = [] if counts else None
        self._module = module
        self._frames: dict[str, FrameType] = {}  # of the last call: a kept frame is not taken for a new one
        self._entries: dict[str, int] = {}

    def locate(self, noted: Call) -> None:
        """Notes the module's methods, and the checkpoints, that are on the stack between its forward and the call."""
        frames: dict[str, FrameType] = {}
        recomputed, method = [], ""
        frame = sys._getframe(2)
        while frame is not None and not _invokes(frame, self._module):
            name = frame.f_code.co_name
            if _is_method(frame, self._module):
                frames[name] = frame
                method = name
            elif frame.f_code.co_filename.endswith(_CHECKPOINT) and recomputed[-1:] != [method]:
                recomputed.append(method)
            frame = frame.f_back
        for name, each in frames.items():
            if self._frames.get(name) is not each:
                self._entries[name] = self._entries.get(name, 0) + 1
        self._frames.update(frames)
        noted.methods = tuple((name, self._entries[name]) for name in frames)
        noted.recomputed = tuple(recomputed)


_CHECKPOINT = os.path.join("torch", "utils", "checkpoint.py")


def _invokes(frame: FrameType, module: nn.Module) -> bool:
    return frame.f_code is nn.Module._call_impl.__code__ and frame.f_locals.get("self") is module


def _is_method(frame: FrameType, module: nn.Module) -> bool:
    """Whether `frame` runs a method of the module's class other than `forward`."""
    code = frame.f_code
    if code.co_name == "forward" or not code.co_argcount or frame.f_locals.get(code.co_varnames[0]) is not module:
        return False
    method = getattr(type(module), code.co_name, None)
    return inspect.isfunction(method) and inspect.unwrap(method).__code__ is code


class _Observer(TorchFunctionMode):
    """Sees every function of torch that the model calls, and knows in which module."""

    def __init__(self, model: nn.Module, sites: list[Site]):
        super().__init__()
        self.calls: dict[str, list[Call]] = {}
        self.functions: dict[str, list[list[Call]]] = {}
        self._model, self._sites = model, sites
        self._channels = Channels()
        self._attribute = ""
        self._inside: list[_Invocation] = []

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Hooks on every module, and each site made distinguishable, for the time of the block."""
        handles, undo = [], []
        try:
            of_site: dict[int, str] = {}
            for site in self._sites:
                undo.append(self._mark(site, of_site))
            for name, module in self._model.named_modules():
                handles += self._watch(name, module, of_site.get(id(module)))
            yield
        finally:
            for handle in handles:
                handle.remove()
            for put_back in reversed(undo):
                put_back()

    def _mark(self, site: Site, of_site: dict[int, str]) -> Callable[[], None]:
        """Gives a site an object of its own; returns what puts the old one back."""
        values: list[tuple[nn.Module, str, Any]] = [(*place, held(place)) for place in site.places]
        first = values[0][2]
        if isinstance(first, nn.Module):
            marked = copy.copy(first)
            for hooks in ("_forward_hooks", "_forward_pre_hooks"):  # the copy shares the dictionaries of the original
                marked.__dict__[hooks] = copy.copy(marked.__dict__[hooks])
            of_site[id(marked)] = site.name
            for holder, attribute, _ in values:
                holder._modules[attribute] = marked
        else:
            first_holder, first_attribute, function = values[0]
            first_holder.__dict__[first_attribute] = self._recorder(site.name, function)

        def put_back() -> None:
            for holder, attribute, value in values:
                (holder._modules if isinstance(value, nn.Module) else holder.__dict__)[attribute] = value

        return put_back

    def _recorder(self, name: str, function: Callable) -> Callable:
        def recorder(z: Tensor, *args: object, **kwargs: object) -> Tensor:
            self._note(self.calls.setdefault(name, []), z)
            self._attribute = name
            try:
                return function(z, *args, **kwargs)
            finally:
                self._attribute = ""

        return recorder

    def _watch(self, name: str, module: nn.Module, site: str | None) -> list:
        counts = site is None and not is_known_activation_or_gate(module)

        def enter(module: nn.Module, args: tuple, kwargs: dict) -> None:
            blocked = bool(self._inside) and self._inside[-1].calls is None
            self._inside.append(_Invocation(module, counts and not blocked))
            z = next(tensors_in((args, kwargs)), None)
            if site is not None and z is not None:
                self._note(self.calls.setdefault(site, []), z)

        def leave(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
            called = self._inside.pop().calls
            if called is not None:
                self.functions.setdefault(name, []).append(called)
            z, after = next(tensors_in((args, kwargs)), None), next(tensors_in(output), None)
            if site is not None and z is not None and after is not None and z.shape == after.shape:
                self._channels.set(after, self._channels.of(z))

        return [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave, with_kwargs=True),
        ]

    def _note(self, calls: list[Call], z: Tensor, function: str = "", line: str = "", attribute: str = "") -> None:
        origin = self._channels.of(z)
        noted = Call(tuple(z.shape), origin.dim, function, line, attribute)
        if origin.dim is None:
            origin.waiting.append(noted.learn)
        calls.append(noted)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        invocation = self._inside[-1] if self._inside else None
        if invocation is not None and invocation.calls is not None and func in FUNCTIONS:
            z = next(tensors_in((args, kwargs)), None)
            if z is not None:
                self._note(invocation.calls, z, FUNCTIONS[func], line_of_call(), self._attribute)
                invocation.locate(invocation.calls[-1])
                invocation.calls[-1].in_place = bool(kwargs.get("inplace"))
        if self._attribute and func in FUNCTIONS and (kwargs.get("inplace") or func in IN_PLACE):
            self.calls[self._attribute][-1].in_place = True
        result = func(*args, **kwargs)
        self._channels.follow(func, args, kwargs, result)
        return result


_OF_TORCH = tuple(os.path.join("torch", *name) for name in (("overrides.py",), ("nn", "functional.py")))


def line_of_call() -> str:
    """The file and line of the code that called torch's function."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.endswith(_OF_TORCH):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
