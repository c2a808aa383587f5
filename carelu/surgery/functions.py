"""The sites of activation functions that the code of modules calls, and the routes from these calls to new modules."""

from dataclasses import dataclass

from torch import nn

from carelu.surgery.kinds import Kinds
from carelu.surgery.routing import child_name, is_routed, route, routes_of, why_not_routable
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


Turns = list[tuple[nn.Module, list[Turn]]]
"""For each module whose calls can be routed, all of them."""


def add_function_sites(model: nn.Module, kinds: Kinds, seen: Trace, sites: list[Site]) -> Turns:
    """Adds to `sites` one for each call that the trace saw and that no attribute stands for."""
    found: Turns = []
    of_attribute = {site.name: site for site in sites}
    for path, calls in seen.functions.items():
        owner = model.get_submodule(path)
        turns = _turns(owner, calls)
        reason = why_not_routable(owner)
        if path in seen.unsteady:
            reason = "it calls them in another order when it trains"
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
            found.append((owner, turns))
    return found


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
    for owner, turns in found:
        if is_routed(owner) or any(_is_new(turn) for turn in turns):
            route(owner, [(turn.function, _child(turn)) for turn in turns if not _became_module(turn)])


def _is_new(turn: Turn) -> bool:
    return turn.site is not None and turn.site.kind == "function" and turn.site.replaced


def _became_module(turn: Turn) -> bool:
    """Whether the call came from an attribute that now holds a module."""
    return turn.site is not None and turn.site.kind == "attribute" and turn.site.replaced


def _child(turn: Turn) -> str | None:
    return turn.site.places[0][1] if turn.site is not None and _is_new(turn) else turn.child
