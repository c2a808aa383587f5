"""The sites of a model: where an activation stands, what is known of it, and the report that lists them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import nn

from carelu.functional import Over
from carelu.surgery.kinds import Kinds, function_name

STAYS = "not replaced: "
"""The beginning of the note of a site that was to be replaced and is not."""

Place = tuple[nn.Module, str]
"""The module that holds an activation, and the name of the attribute."""


@dataclass
class Site:
    """One place of a model with an activation of its own.

    Attributes:
        name: the name of the new module, as in `named_modules`.
        before: the class or function that stood there.
        kind: "module", "attribute" (a function held as an attribute) or "function" (called in a `forward`).
        aliases: further names of the same module, which go on to share it.
        shape: the shape of its input at the first call, or None if nothing was traced.
        layout: how the dimensions of its input are meant, for example "N×C×H×W"; "" if unknown.
        over: what competes there; None if the new activation has no competition.
        calls: how often one forward pass calls it; None if nothing was traced.
        now: the new module, in words; "" where nothing is replaced.
        note: why the site is kept, left out or cannot be replaced.
    """

    name: str
    before: str
    kind: str = "module"
    aliases: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    layout: str = ""
    over: Over | None = None
    calls: int | None = None
    now: str = ""
    note: str = ""
    places: list[Place] = field(default_factory=list, repr=False)

    @property
    def replaced(self) -> bool:
        """Whether the site holds (after a dry run: would hold) the activation that was asked for."""
        return bool(self.now)


class Report(list[str]):
    """The names of the replaced sites, as a list; `sites` has all that is known of each, `str()` shows it as a table.

    Attributes:
        sites: every activation that was found, replaced or not.
        warnings: what is left to the reader, one sentence each; each was also given as a Python warning.
    """

    def __init__(self, sites: list[Site], warnings: list[str]):
        super().__init__(site.name for site in sites if site.replaced)
        self.sites = sites
        self.warnings = warnings

    def __str__(self) -> str:
        rows = [("site", "before", "calls", "shape", "layout", "over", "now"), *map(_cells, self.sites)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *self.warnings])


def _cells(site: Site) -> tuple[str, ...]:
    shape = "" if site.shape is None else "×".join(map(str, site.shape))
    calls, over = "" if site.calls is None else str(site.calls), "" if site.over is None else repr(site.over)
    now = f"{site.now} ({site.note})" if site.now and site.note else site.now or site.note
    also = f" (= {', '.join(site.aliases)})" if site.aliases else ""
    return site.name + also, site.before, calls, shape, site.layout, over, now


def find_sites(model: nn.Module, kinds: Kinds) -> list[Site]:
    """The activations that `model` holds as modules or as functions in attributes, in the order of `named_modules`.

    One inside another goes with it. A module that stands at several positions of a `Sequential` or `ModuleList` is one
    site at each of them; its other names, which a `forward` may or may not call, share one.
    """
    places: dict[tuple[int, str], tuple[str, Place]] = {}
    inside: list[str] = []
    for path, module in model.named_modules(remove_duplicate=False):
        if any(path.startswith(f"{outer}.") for outer in inside):
            continue
        if path and kinds.holds(module):
            inside.append(path)
            parent, _, child = path.rpartition(".")
            holder = model.get_submodule(parent)
            places.setdefault((id(holder), child), (path, (holder, child)))
            continue
        for attribute, value in vars(module).items():
            if function_name(value) in kinds.functions:
                name = f"{path}.{attribute}" if path else attribute
                places.setdefault((id(module), attribute), (name, (module, attribute)))
    return list(_grouped(list(places.values())))


def _grouped(places: list[tuple[str, Place]]) -> Iterator[Site]:
    of_object: dict[int, list[tuple[str, Place]]] = {}
    for name, place in places:
        value = held(place)
        key = id(value) if isinstance(value, nn.Module) else id(place)
        of_object.setdefault(key, []).append((name, place))
    aliases: dict[str, list[tuple[str, Place]]] = {}
    for group in of_object.values():
        positions = [(name, place) for name, place in group if isinstance(place[0], nn.Sequential | nn.ModuleList)]
        others = [each for each in group if each not in positions]
        own = positions or others[:1]
        aliases.update({name: [] for name, _ in own})
        aliases[own[0][0]] = others if positions else others[1:]
    for name, place in places:
        if name in aliases:
            value, also = held(place), aliases[name]
            yield Site(
                name=name,
                before=type(value).__name__ if isinstance(value, nn.Module) else f"F.{function_name(value)}",
                kind="module" if isinstance(value, nn.Module) else "attribute",
                aliases=tuple(alias for alias, _ in also),
                places=[place, *(each for _, each in also)],
            )


def held(place: Place) -> nn.Module | Callable:
    """What stands at a place now."""
    holder, attribute = place
    return getattr(holder, attribute)
