"""Replaces the activations of an existing model."""

import warnings
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn

from carelu.functional import Over
from carelu.surgery.functions import Turns, add_function_sites, set_routes
from carelu.surgery.in_place import refuse_side_effects
from carelu.surgery.kinds import TORCH_ACTIVATIONS, Kinds, functions_in_code, is_known_activation_or_gate
from carelu.surgery.layout import over_of_calls, over_of_structure
from carelu.surgery.making import AUTO, Maker
from carelu.surgery.routing import is_routed, seal_children
from carelu.surgery.sites import STAYS, Report, Site, find_sites
from carelu.surgery.tracing import Call, Trace, trace

__all__ = ["TORCH_ACTIVATIONS", "Report", "Site", "replace_activations"]

DISTRIBUTED = frozenset(["DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule"])
"""Classes that look after the parameters they were built with, and after no others."""

Where = str | Iterable[str] | Callable[[Site], bool]


def replace_activations(
    model: nn.Module,
    name: str | type[nn.Module] = "carelu",
    *,
    example_inputs: object = None,
    where: Where | None = None,
    dry_run: bool = False,
    over: Over = AUTO,
    replace: object = None,
    **options: object,
) -> Report:
    """Replaces each activation of `model` by a new module, in place.

    Found are modules (of torch, this library, transformers and timm) and functions held as attributes
    (`self.act = F.gelu`). With `example_inputs` the model is called once in each mode, so that functions called in a
    `forward` (`F.relu(x)`) are found and replaced as well, and the report says what each site was given.

    Each position gets its own module, on the device of the layers around it, with the hooks and the mode of the old
    one. A module that a `forward` calls at several places stays one module, with one set of parameters (like `relu` in
    torchvision's ResNet blocks); so do several names of one module, other than positions of a `Sequential` or
    `ModuleList`. An activation that is made of others is replaced as a whole. A site that holds the same activation
    from an earlier call keeps it, with the values that it learned. One that `example_inputs` do not reach stays as it
    was, and a warning names it: call again with inputs that reach it.

    Args:
        model: any module that has activations; it is changed before an optimizer or DDP is given its parameters.
        name: a registered activation, see `activation_names`, or a class of modules.
        example_inputs: a batch that the model accepts: a tensor, a tuple of positional arguments or a dictionary of
            keyword arguments.
        where: the sites to replace: a pattern of names like "layer4.*", several, or a function of a `Site`; default:
            all.
        dry_run: only report; the model is left as it is.
        over: what competes, see `carelu.functional.competition_dims`. "auto" keeps other samples out of every result,
            and the future and padding of sequences: the features of one token in sequences and in channels-last models
            (the last dimension), the channels at one position in N×C×L, and all but the first dimension in N×C×H×W.
        replace: the classes of modules, and functions of torch, to replace; default: the usual ones.
        **options: options of the activation, see `activation_options`.

    Returns:
        The names of the replaced sites, as a list; its `sites` say more of each, and `str()` shows them as a table.

    Raises:
        ValueError: unknown activation or option, one that needs the tensor before normalisation, nothing in the model
            to replace, a layout that cannot be told, inputs that the model does not accept, or (with `example_inputs`)
            an activation in place whose input the model goes on with. The model is unchanged.

    Warns:
        UserWarning: an activation that was to be replaced stays as it was; the warning says which and why.
    """
    maker, kinds = Maker(name, over, options), Kinds(replace)
    _refuse_unsuitable(model, kinds)
    sites = find_sites(model, kinds)
    seen = None if example_inputs is None else trace(model, sites, example_inputs)
    turns = [] if seen is None else add_function_sites(model, kinds, seen, sites)
    calls = {} if seen is None else seen.calls
    for site in sites if seen is not None else []:
        of_site = calls.get(site.name, [])
        site.calls, site.shape = len(of_site), of_site[0].shape if of_site else None
    _select(sites, where)
    for site in sites:
        if not site.note:
            _choose(site, model, maker, calls.get(site.name, []))
    if not any(site.replaced for site in sites):
        raise ValueError(_nothing_found(model, sites, kinds, seen))
    if seen is not None:
        new = [site for site in sites if site.replaced and site.note != "kept"]
        refuse_side_effects(model, new, seen, example_inputs)
    report = Report(sites, _warnings(model, sites, kinds, seen))
    if not dry_run:
        _perform(model, maker, sites, turns)
    for sentence in report.warnings:
        warnings.warn(sentence, stacklevel=2)
    return report


def _refuse_unsuitable(model: nn.Module, kinds: Kinds) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(f"the model is {model!r}; accepted: a torch.nn.Module")
    if kinds.holds(model):
        raise ValueError(
            f"{type(model).__name__} has no activation module to replace: it is itself one, and nothing here holds "
            "it; build the new one with create_activation(…)"
        )
    for path, module in model.named_modules():
        word = f"{path or 'the model'} ({type(module).__name__})"
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(f"{word} is a TorchScript module, whose code is fixed; replace before torch.jit.script")
        if {each.__name__ for each in type(module).__mro__} & DISTRIBUTED:
            raise ValueError(
                f"{word} knows only the parameters that it was built with, so new ones would not be kept equal; "
                "replace before wrapping the model"
            )


def _select(sites: list[Site], where: Where | None) -> None:
    if where is None:
        return
    patterns: list[str] = []
    if not callable(where):
        patterns = [where] if isinstance(where, str) else list(where)
        for pattern in patterns:
            if not any(fnmatchcase(site.name, pattern) for site in sites):
                names = ", ".join(site.name for site in sites) or "none"
                raise ValueError(f"where={pattern!r} fits no activation of the model; its activations: {names}")
    for site in sites:
        wanted = where(site) if callable(where) else any(fnmatchcase(site.name, pattern) for pattern in patterns)
        if not wanted and not site.note:
            site.note = "left out by where"


def _choose(site: Site, model: nn.Module, maker: Maker, calls: list[Call]) -> None:
    """Notes what will stand at a site."""
    if maker.is_there(site):
        module = site.places[0][0].get_submodule(site.places[0][1])
        site.over, site.note = getattr(module, "over", None), "kept"
        site.now = type(module).__name__
        return
    if site.calls == 0:
        site.note = f"{STAYS}example_inputs do not reach it"
        return
    site.over = maker.over
    if maker.chooses_over:
        site.layout, site.over = over_of_calls(site, calls) or over_of_structure(model, site)
    site.now = maker.type.__name__


def _perform(model: nn.Module, maker: Maker, sites: list[Site], turns: Turns) -> None:
    for site in sites:
        if site.replaced and site.note != "kept":
            maker.install(model, site)
    set_routes(turns)
    seal_children(model)
    _leave_fast_path(model, sites)


def _leave_fast_path(model: nn.Module, sites: list[Site]) -> None:
    """Keeps torch's fused encoder layer, which computes ReLU or GELU itself, from passing the new modules by."""
    holders = {id(holder) for site in sites if site.replaced for holder, _ in site.places}
    for layer in model.modules():
        if isinstance(layer, nn.TransformerEncoderLayer) and id(layer) in holders:
            layer.activation_relu_or_gelu = 0
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and any(id(layer) in holders for layer in encoder.modules()):
            encoder.use_nested_tensor = False


def _unseen_functions(model: nn.Module, sites: list[Site], kinds: Kinds, seen: Trace | None) -> list[str]:
    """Functions that the code of modules names and that no site stands for, as "BasicConv2d: F.relu"."""
    inside = [f"{site.name}." for site in sites if site.kind == "module"]
    found: dict[str, None] = {}
    for path, module in model.named_modules():
        of_site = any(f"{path}.".startswith(prefix) for prefix in inside)
        if of_site or is_known_activation_or_gate(module) or is_routed(module):
            continue
        if seen is not None and path in seen.functions:
            continue
        for function in functions_in_code(module):
            if function[2:] in kinds.functions:
                found[f"{type(module).__name__}: {function}"] = None
    return list(found)


def _warnings(model: nn.Module, sites: list[Site], kinds: Kinds, seen: Trace | None) -> list[str]:
    sentences = [] if seen is None else list(seen.problems)
    unseen = _unseen_functions(model, sites, kinds, seen)
    if unseen and seen is None:
        sentences.append(
            f"Functions called in a forward are not replaced ({_some(unseen)}); pass example_inputs=…, a batch that "
            "the model accepts, and they are."
        )
    elif unseen:
        sentences.append(f"The code names functions that example_inputs did not reach: {_some(unseen)}.")
    stays = [f"{site.name} ({site.note.removeprefix(STAYS)})" for site in sites if site.note.startswith(STAYS)]
    if stays:
        sentences.append(f"{len(stays)} activations are not replaced: {_some(stays)}.")
    return sentences


def _some(words: list[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def _nothing_found(model: nn.Module, sites: list[Site], kinds: Kinds, seen: Trace | None) -> str:
    word = f"{type(model).__name__} has no activation module to replace"
    if sites:
        return f"{word}: {_some([f'{site.name} is {site.note}' for site in sites])}"
    unseen = _unseen_functions(model, sites, kinds, seen)
    if unseen and seen is None:
        return (
            f"{word}, but functions called in a forward ({_some(unseen)}); pass example_inputs=… and they are replaced"
        )
    return f"{word}; other classes can be named with replace=[…]" + (
        "; pass example_inputs=… to find functions called in a forward" if seen is None else ""
    )
