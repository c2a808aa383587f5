"""The sites of activation functions that the code of modules calls, and the routes from these calls to new modules."""

from dataclasses import dataclass

from torch import nn

from carelu.surgery.kinds import Kinds
from carelu.surgery.routing import FORWARD, Span, child_name, is_routed, route, routes_of, spans_of, why_not_routable
from carelu.surgery.sites import STAYS, Site
from carelu.surgery.tracing import Call, Trace


@dataclass
class Turn:
    """One call of an activation function, in the order in which the code of one module calls them.

    Attributes:
        function: its name.
        site: the site that stands for it; None if it is not to be replaced.
        child: the child that answers it since an earlier replacement, or None.
    """

    function: str
    site: Site | None = None
    child: str | None = None


Spans = dict[str, Span | None]

Turns = list[tuple[nn.Module, list[Turn], Spans]]
"""For each module whose calls can be routed, all of them, and which of them its `forward` and its methods make."""


def add_function_sites(model: nn.Module, kinds: Kinds, seen: Trace, sites: list[Site]) -> Turns:
    """Adds to `sites` one for each call that the trace saw and that no attribute stands for."""
    found: Turns = []
    of_attribute = {site.name: site for site in sites}
    for path, calls in seen.functions.items():
        owner = model.get_submodule(path)
        turns = _turns(owner, calls)
        reason = why_not_routable(owner)
        spans = _spans(seen.invocations[path])
        if path in seen.unsteady:
            reason = "it calls them in another order when it trains"
        if any(spans.get(method) is None for position in calls for call in position for method in call.recomputed):
            reason = (
                "torch.utils.checkpoint calls them again without its forward; checkpoint a module, or a method that "
                "forward calls once"
            )
        if turns is None:
            reason = "an earlier replacement did not see all its calls; replace on a new model"
        new = [turn for turn in turns or map(_turn, calls) if turn.child is None]
        taken = len(turns or []) - len(new)
        for turn, position in zip(new, calls, strict=True):
            turn.site = of_attribute.get(position[0].attribute)
            if turn.site is None and turn.function in kinds.functions:
                child = child_name(owner, taken, turn.function)
                taken += 1
                name = f"{path}.{child}" if path else child
                turn.site = Site(name, f"F.{turn.function}", "function", places=[(owner, child)])
                turn.site.note = "" if reason is None else f"{STAYS}{reason}"
                seen.calls[name] = position
                sites.append(turn.site)
        if turns is not None and reason is None:
            found.append((owner, turns, spans_of(owner) if is_routed(owner) else spans))
    return found


def _spans(invocations: list[list[Call]]) -> Spans:
    """Which calls belong to `forward` and to each method that it calls; None for a method that it enters repeatedly."""
    spans: Spans = {FORWARD: (0, tuple(sorted({len(calls) for calls in invocations})))}
    for calls in invocations:
        entered: dict[str, dict[int, list[int]]] = {}
        for index, call in enumerate(calls):
            for method, entry in call.methods:
                entered.setdefault(method, {}).setdefault(entry, []).append(index)
        for method, entries in entered.items():
            indices = next(iter(entries.values()))
            start, counts = spans.get(method, (indices[0], ())) or (-1, ())
            once = len(entries) == 1 and indices[0] == start
            spans[method] = (start, tuple(sorted({*counts, len(indices)}))) if once else None
    return spans


def _turn(position: list[Call]) -> Turn:
    return Turn(position[0].function)


def _turns(owner: nn.Module, calls: list[list[Call]]) -> list[Turn] | None:
    """The calls of a module in their order; those that are routed already do not show in the trace.

    None if the routes of an earlier replacement do not agree with what was seen now.
    """
    if not is_routed(owner):
        return [_turn(position) for position in calls]
    turns = [Turn(function, child=child) for function, child in routes_of(owner)]
    free = [turn.function for turn in turns if turn.child is None]
    return turns if free == [position[0].function for position in calls] else None


def set_routes(found: Turns) -> None:
    """Makes the modules send their calls to the new children."""
    for owner, turns, spans in found:
        if is_routed(owner) or any(_is_new(turn) for turn in turns):
            stay = [not _became_module(turn) for turn in turns]
            routes = [(turn.function, _child(turn)) for turn, stays in zip(turns, stay, strict=True) if stays]
            route(owner, routes, {method: _shifted(span, stay) for method, span in spans.items()})


def _shifted(span: Span | None, stay: list[bool]) -> Span | None:
    """The span after the turns left that do not stay."""
    if span is None:
        return None
    start, counts = span
    return sum(stay[:start]), tuple(sorted({sum(stay[start : start + count]) for count in counts}))


def _is_new(turn: Turn) -> bool:
    return turn.site is not None and turn.site.kind == "function" and turn.site.replaced


def _became_module(turn: Turn) -> bool:
    """Whether the call came from an attribute that now holds a module."""
    return turn.site is not None and turn.site.kind == "attribute" and turn.site.replaced


def _child(turn: Turn) -> str | None:
    return turn.site.places[0][1] if turn.site is not None and _is_new(turn) else turn.child
