"""Finds activations that overwrite their input for code that goes on with it: a new activation never does."""

import contextlib
from collections.abc import Callable, Iterator

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from carelu.surgery.kinds import FUNCTIONS
from carelu.surgery.passes import difference, kept, results_of
from carelu.surgery.sites import Site, held
from carelu.surgery.tracing import Trace, line_of_call, traceable


def refuse_side_effects(model: nn.Module, sites: list[Site], seen: Trace, inputs: object) -> None:
    """Compares the model with one whose sites in place leave their inputs as they are.

    Raises:
        ValueError: the results differ.
    """
    in_place = [site for site in sites if _is_in_place(site, seen)]
    if not in_place or not _matters(model, in_place, seen, inputs):
        return
    alone = [site.name for site in in_place if _matters(model, [site], seen, inputs)]
    names = alone or [site.name for site in in_place]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise ValueError(
        f"{type(model).__name__} goes on with the tensors that these activations overwrite in place: "
        f"{', '.join(names[:5])}{more}; new activations are never in place, so make them not in place (inplace=False) "
        "and use their results, then replace them"
    )


def _is_in_place(site: Site, seen: Trace) -> bool:
    value = held(site.places[0]) if site.kind == "module" else None
    if isinstance(value, nn.Module):
        return any(getattr(module, "inplace", False) is True for module in value.modules())
    return any(call.in_place for call in seen.calls.get(site.name, []))


def _matters(model: nn.Module, sites: list[Site], seen: Trace, inputs: object) -> bool:
    return any(
        _changes(model, sites, seen, inputs, training) for training in ((False,) if seen.problems else (False, True))
    )


def _changes(model: nn.Module, sites: list[Site], seen: Trace, inputs: object, training: bool) -> bool:
    with kept(inputs), traceable(model, training):
        before = _copied(model, inputs)
    with kept(inputs), traceable(model, training), _not_in_place(sites, seen):
        after = _copied(model, inputs)
    largest, rounding = difference(before, after) or (0.0, 0.0)
    return largest > rounding


def _copied(model: nn.Module, inputs: object) -> dict[str, Tensor]:
    return {place: each.clone() for place, each in results_of(model, inputs).items()}  # one may be an input itself


@contextlib.contextmanager
def _not_in_place(sites: list[Site], seen: Trace) -> Iterator[None]:
    """Gives each site a copy of its input, for the time of the block."""
    lines = {call.line for site in sites if site.kind == "function" for call in seen.calls[site.name]}
    with contextlib.ExitStack() as undo:
        for site in sites:
            holder, attribute = site.places[0]
            if site.kind == "module":
                hook = holder.get_submodule(attribute).register_forward_pre_hook(_with_copies)
                undo.callback(hook.remove)
            elif site.kind == "attribute":
                undo.callback(holder.__dict__.__setitem__, attribute, getattr(holder, attribute))
                holder.__dict__[attribute] = _of_copy(getattr(holder, attribute))
        with _Copying(lines):
            yield


def _with_copies(module: nn.Module, args: tuple) -> tuple:
    return tuple(each.clone() if isinstance(each, Tensor) else each for each in args)


def _of_copy(function: Callable) -> Callable:
    return lambda z, *args, **kwargs: function(z.clone(), *args, **kwargs)


class _Copying(TorchFunctionMode):
    """Gives activation functions that are called in these lines a copy of their input."""

    def __init__(self, lines: set[str]):
        super().__init__()
        self._lines = lines

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in FUNCTIONS and kwargs.get("inplace") and args and line_of_call() in self._lines:
            args = (args[0].clone(), *args[1:])
        return func(*args, **kwargs)
