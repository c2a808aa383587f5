"""Chooses what competes at a site, so that no other sample, future or padding of a sequence reaches a result."""

import itertools
from collections.abc import Iterator

from torch import nn

from carelu.functional import Over
from carelu.surgery.kinds import is_known_activation_or_gate
from carelu.surgery.sites import Site
from carelu.surgery.tracing import Call

TOKEN: Over = (-1,)
"""The features of one token: the last dimension."""

POSITION: Over = (1,)
"""The channels at one position of N×C×L."""

SAMPLE: Over = "sample"

LINEAR_NAMES = frozenset(["Conv1D", "RMSNorm"])
"""Classes of other packages that work on the last dimension: transformers' Conv1D is a linear layer."""


def layout_of(call: Call) -> str:
    """The letters of an input's dimensions, or "" if the dimension of its channels is unknown or the first."""
    ndim = len(call.shape)
    if ndim == 2:
        return "N×C"
    if call.dim == ndim - 1:
        return {3: "N×L×C", 4: "N×H×W×C"}.get(ndim, "N×…×C")
    if call.dim == 1:
        return {3: "N×C×L", 4: "N×C×H×W"}.get(ndim, "N×C×…")
    return ""


ACCEPTABLE: dict[str, tuple[Over, ...]] = {
    "N×C": (TOKEN, POSITION, SAMPLE),
    "N×L×C": (TOKEN,),
    "N×H×W×C": (TOKEN,),
    "N×…×C": (TOKEN,),
    "N×C×L": (POSITION,),
    "N×C×H×W": (SAMPLE,),
    "N×C×…": (SAMPLE,),
}
"""What may compete in each layout, the usual first. Images compete within a sample; in series each position alone."""


def over_of_calls(site: Site, calls: list[Call]) -> tuple[str, Over] | None:
    """(layout, over) that fits all calls of a site; None if the layout of one is unknown.

    Raises:
        ValueError: the site is called with layouts that no `over` fits together.
    """
    layouts = list(dict.fromkeys(map(layout_of, calls)))
    if not layouts or "" in layouts:
        return None
    common = [over for over in ACCEPTABLE[layouts[0]] if all(over in ACCEPTABLE[each] for each in layouts)]
    if not common:
        raise ValueError(
            f"over='auto': {site.name} is called with {' and with '.join(layouts)}, and no choice fits both; "
            "give over=…, or leave the site out with where=…"
        )
    return ", ".join(layouts), common[0]


def over_of_structure(model: nn.Module, site: Site) -> tuple[str, Over]:
    """(layout, over) by the layers next to a site: those of its own module, or else of the ones around it.

    Where the model has no layer that tells, it is the library's own default, all but the first dimension.

    Raises:
        ValueError: the layers before and after the site are of different kinds, or, in a `Sequential`, a module that
            may reorder dimensions stands between the site and the nearest layer.
    """
    path = site.name.split(".")
    unclear: list[nn.Module] = []
    for depth in range(len(path) - 1, -1, -1):
        around = model.get_submodule(".".join(path[:depth]))
        before, after = _layers(around, path[depth])
        if isinstance(around, nn.Sequential):
            unclear += _unclear(around, path[depth], backwards=bool(before) or not after)
        if not before and not after:
            continue
        if unclear:
            raise ValueError(
                f"over='auto': the layout at {site.name} cannot be told from the nearest layer, as "
                f"{type(unclear[0]).__name__} between them may change it; pass example_inputs=…, a batch that the "
                "model accepts, or give over=…"
            )
        nearest = {*before[-1:], *after[:1]} if not isinstance(around, nn.Sequential) else {*(before[-1:] or after[:1])}
        if len(nearest) == 1:
            return _CHOICE[nearest.pop()]
        raise ValueError(
            f"over='auto': the layout at {site.name} cannot be told from the layers of {type(around).__name__}, which "
            f"has {' and '.join(sorted(nearest))} layers next to it; pass example_inputs=…, a batch that the model "
            "accepts, or give over=…"
        )
    return "", SAMPLE


_CHOICE: dict[str, tuple[str, Over]] = {
    "linear": ("N×…×C", TOKEN),
    "one-dimensional convolutional": ("N×C×L", POSITION),
    "convolutional": ("N×C×H×W", SAMPLE),
}


def _layers(around: nn.Module, child: str) -> tuple[list[str], list[str]]:
    """The kinds of the layers before and after `child` in the order in which they were added."""
    names = list(around._modules)
    position = names.index(child) if child in names else len(names)
    before, after = [], []
    for index, module in enumerate(around._modules.values()):
        found = [kind for each in (module.modules() if module is not None else ()) if (kind := _kind_of_layer(each))]
        (before if index < position else after).extend(found if index != position else [])
    return before, after


KEEPING = frozenset(["activation", "batchnorm", "dropout", "instancenorm", "normalization", "padding", "pooling"])
"""The files of `torch.nn.modules` whose modules leave every dimension in its place."""


def _unclear(around: nn.Sequential, child: str, backwards: bool) -> list[nn.Module]:
    """The modules between `child` and the nearest layer on one side that may change the layout."""
    names = list(around._modules)
    position = names.index(child)
    beside = list(around)[:position][::-1] if backwards else list(around)[position + 1 :]
    found = []
    for module in itertools.chain.from_iterable(_flattened(each, backwards) for each in beside):
        if any(_kind_of_layer(each) for each in module.modules()):
            break
        if not _keeps_layout(module):
            found.append(module)
    return found


def _flattened(module: nn.Module, backwards: bool) -> Iterator[nn.Module]:
    if type(module) is not nn.Sequential:
        yield module
        return
    for each in reversed(list(module)) if backwards else list(module):
        yield from _flattened(each, backwards)


def _keeps_layout(module: nn.Module) -> bool:
    files = (kind.__module__.partition("torch.nn.modules.")[2] for kind in type(module).__mro__)
    return isinstance(module, nn.Identity) or is_known_activation_or_gate(module) or bool(KEEPING.intersection(files))


def _kind_of_layer(module: nn.Module) -> str | None:
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
        return "one-dimensional convolutional"
    if isinstance(module, nn.modules.conv._ConvNd | nn.BatchNorm2d | nn.BatchNorm3d):
        return "convolutional"
    linear = nn.Linear | nn.Bilinear | nn.Embedding | nn.MultiheadAttention | nn.RNNBase | nn.RNNCellBase
    names = {each.__name__ for each in type(module).__mro__}
    return "linear" if isinstance(module, linear) or names & LINEAR_NAMES else None
