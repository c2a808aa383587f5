"""Checks that a model computes with its activations, the same in training, evaluation and in parts of a batch."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from carelu.activations import CAReLU
from carelu.registry import is_activation
from carelu.surgery.layout import layout_of
from carelu.surgery.passes import difference, results
from carelu.surgery.sites import Site
from carelu.surgery.tracing import Call, trace

SENSITIVE = {"alpha": 2.0, "beta": -0.5}
"""Values of CAReLU's parameters during the checks: its scale then depends on its input and changes its sign, so that
an activation that is passed by, or that reads what it must not, shows in the result."""


@dataclass
class Verification:
    """What `verify` found.

    Attributes:
        calls: how often one evaluation calls each site, by its name.
        checks: the result of each check in words: "agrees", "skipped: …" or "fails".
        problems: what is wrong, one sentence each; empty if nothing is.
    """

    calls: dict[str, int] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.problems

    def __str__(self) -> str:
        return "\n".join([*(f"{check}: {result}" for check, result in self.checks.items()), *self.problems])

    def note(self, check: str, problems: list[str], skipped: str = "") -> None:
        """Adds the result of a check."""
        self.checks[check] = "fails" if problems else f"skipped: {skipped}" if skipped else "agrees"
        self.problems += problems


def verify(
    model: nn.Module,
    inputs: object,
    *,
    batch_dim: int | None = 0,
    compiled: bool = False,
    tolerance: float = 1e-4,
    strict: bool = True,
) -> Verification:
    """Checks a model whose activations were replaced, or that was written with this library.

    1. Every activation is called, in evaluation without gradients too (fused layers pass activations by).
    2. Training and evaluation, with and without gradients, agree. Dropout is off and batch normalisation fixed.
    3. Each learned parameter of an activation gets a gradient.
    4. No activation mixes samples, and none mixes the tokens or positions of a sequence or a channels-last model.
    5. Half a batch gives half of the result.
    6. With `compiled`, the compiled model agrees.

    The model is left as it was: parameters, gradients, modes, buffers and random states.

    Args:
        model: the model, on the device of `inputs`.
        inputs: a batch that it accepts, two samples or more: a tensor, a tuple of positional arguments or a dictionary
            of keyword arguments.
        batch_dim: the dimension of the samples in inputs and results; None leaves check 5 out.
        compiled: whether to compile the model too, which takes from seconds to minutes.
        tolerance: the largest difference of results, relative to the largest value. More is granted in half precision.
        strict: raise where a check fails; otherwise only list it.

    Raises:
        ValueError: a check fails, the model has no activation of this library, or it does not accept the inputs.
    """
    sites = {name: each for name, each in model.named_modules() if is_activation(each)}
    if not sites:
        raise ValueError(f"{type(model).__name__} has no activation of this library; call replace_activations first")
    result = Verification()
    with _sensitive(sites):
        calls = _calls_by_site(model, sites, inputs)
        evaluated = _check_modes(result, model, sites, inputs, tolerance)
        _check_gradients(result, model, sites, inputs)
        _check_mixing(result, sites, calls)
        _check_half(result, model, inputs, evaluated, batch_dim, tolerance)
        if compiled:
            _check_compiled(result, model, inputs, evaluated, tolerance)
    if strict and not result.ok:
        raise ValueError(f"{type(model).__name__} does not compute as it should:\n" + "\n".join(result.problems))
    return result


@contextlib.contextmanager
def _sensitive(sites: Mapping[str, nn.Module]) -> Iterator[None]:
    own = [
        (getattr(site, name), value)
        for site in sites.values()
        if isinstance(site, CAReLU)
        for name, value in SENSITIVE.items()
    ]
    before = [parameter.detach().clone() for parameter, _ in own]
    try:
        with torch.no_grad():
            for parameter, value in own:
                parameter.fill_(value)
        yield
    finally:
        with torch.no_grad():
            for (parameter, _), value in zip(own, before, strict=True):
                parameter.copy_(value)


def _calls_by_site(model: nn.Module, sites: Mapping[str, nn.Module], inputs: object) -> dict[str, list[Call]]:
    places = [Site(name, "", places=[_place(model, name)]) for name in sites if name]
    return trace(model, places, inputs).calls


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    parent, _, child = name.rpartition(".")
    return model.get_submodule(parent), child


def _check_modes(
    result: Verification, model: nn.Module, sites: Mapping[str, nn.Module], inputs: object, tolerance: float
) -> dict[str, Tensor]:
    """Checks 1 and 2; returns the results of evaluation without gradients."""
    with _counted(sites) as counts:
        evaluated = results(model, inputs, training=False, gradients=False)
    result.calls = dict(counts)
    with _counted(sites) as trained_counts:
        trained = results(model, inputs, training=True, gradients=True)
    passed_by = [
        f"{name} is not called in evaluation without gradients although training calls it, so another function "
        "stands in for it there."
        for name, count in counts.items()
        if not count and trained_counts[name] and not _only_in_training(model, name, inputs)
    ]
    never = [f"{name} is never called." for name, count in counts.items() if not count and not trained_counts[name]]
    result.note("every activation is called", passed_by + never)
    with_gradients = results(model, inputs, training=False, gradients=True)
    for check, others in (("evaluation with gradients", with_gradients), ("training", trained)):
        apart = difference(evaluated, others)
        result.note(f"{check} and evaluation agree", _too_large(f"{check} and evaluation", apart, tolerance))
    return evaluated


def _only_in_training(model: nn.Module, name: str, inputs: object) -> bool:
    """Whether evaluation with gradients does not call a site either, as the auxiliary classifiers of GoogLeNet."""
    site = {name: model.get_submodule(name)}
    with _counted(site) as counts:
        results(model, inputs, training=False, gradients=True)
    return not counts[name]


@contextlib.contextmanager
def _counted(sites: Mapping[str, nn.Module]) -> Iterator[dict[str, int]]:
    """Counts calls without hooks: torch's fused layers look for hooks, and would behave for their sake."""
    counts = dict.fromkeys(sites, 0)
    exchanged = [(site, vars(site)["forward"]) for site in sites.values() if "forward" in vars(site)]

    def counting(name: str, forward):
        def count_and_call(*args, **kwargs):
            counts[name] += 1
            return forward(*args, **kwargs)

        return count_and_call

    try:
        for name, site in sites.items():
            site.__dict__["forward"] = counting(name, site.forward)
        yield counts
    finally:
        for site in sites.values():
            site.__dict__.pop("forward", None)
        for site, forward in exchanged:
            site.__dict__["forward"] = forward


def _too_large(what: str, apart: tuple[float, float] | None, tolerance: float) -> list[str]:
    if apart is None:
        return [f"{what} return nothing that can be compared."]
    largest, rounding = apart
    if largest <= max(tolerance, rounding):
        return []
    return [f"{what} differ by {largest:.2g} of the largest value (accepted: {max(tolerance, rounding):.2g})."]


def _check_gradients(result: Verification, model: nn.Module, sites: Mapping[str, nn.Module], inputs: object) -> None:
    named = [
        (f"{name}.{parameter}", value)
        for name, site in sites.items()
        for parameter, value in site.named_parameters()
        if value.requires_grad
    ]
    if not named:
        result.note("every learned parameter gets a gradient", [], "the activations learn nothing")
        return
    outputs = [each for each in results(model, inputs, training=True, gradients=True).values() if each.requires_grad]
    if not outputs:
        result.note("every learned parameter gets a gradient", ["No result of the model has a gradient."])
        return
    total = torch.stack([each.double().sum() for each in outputs]).sum()
    gradients = torch.autograd.grad(total, [value for _, value in named], allow_unused=True)
    without = [
        f"{name} gets no gradient: the result of its activation is not used."
        for (name, _), gradient in zip(named, gradients, strict=True)
        if gradient is None
    ]
    result.note("every learned parameter gets a gradient", without)


def _check_mixing(result: Verification, sites: Mapping[str, nn.Module], calls: Mapping[str, list[Call]]) -> None:
    problems = []
    for name, site in sites.items():
        seen = {(each.shape, layout_of(each)): each for each in calls.get(name, [])}
        for (shape, layout), each in seen.items():
            apart = [dim for dim in range(len(shape)) if dim != each.dim] if _each_position_alone(layout) else [0]
            if not getattr(site, "needs_pre_norm", False) and _mixes(site, shape, apart):
                what = "tokens or positions" if len(apart) > 1 else "samples"
                problems.append(f"{name} mixes {what}: its input is {layout or 'of unknown layout'}, {tuple(shape)}.")
    result.note("no activation mixes tokens or samples", problems)


def _each_position_alone(layout: str) -> bool:
    return layout.endswith("C") or layout == "N×C×L"


@torch.no_grad()
def _mixes(site: nn.Module, shape: tuple[int, ...], apart: list[int]) -> bool:
    """Whether a change at the first index of the dimensions `apart` reaches the result elsewhere."""
    if all(shape[dim] == 1 for dim in apart):
        return False
    parameter = next(site.parameters(), None)
    device, dtype = (None, None) if parameter is None else (parameter.device, parameter.dtype)
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    place = tuple(0 if dim in apart else slice(None) for dim in range(len(shape)))
    changed = z.clone()
    changed[place] = changed[place].abs() * 3
    elsewhere = torch.ones(shape, dtype=torch.bool, device=z.device)
    elsewhere[place] = False
    one, other = site(z)[elsewhere], site(changed)[elsewhere]
    return bool((one - other).abs().max() > 1e-3 * one.abs().max())


def _check_half(
    result: Verification,
    model: nn.Module,
    inputs: object,
    evaluated: dict[str, Tensor],
    batch_dim: int | None,
    tolerance: float,
) -> None:
    check = "half a batch gives half of the result"
    sizes = [each.shape[batch_dim] for each in _batched(inputs, batch_dim)] if batch_dim is not None else []
    if batch_dim is None or not sizes or sizes[0] < 2:
        result.note(check, [], "no batch of two samples or more along batch_dim")
        return
    batch, half = sizes[0], sizes[0] // 2
    outputs = results(model, _first(inputs, batch_dim, batch, half), training=False, gradients=False)
    whole = {
        key: each.narrow(batch_dim, 0, half)
        for key, each in evaluated.items()
        if each.ndim > batch_dim and each.shape[batch_dim] == batch
    }
    apart = difference(whole, outputs)
    if apart is None:
        result.note(check, [], "no result has a dimension of samples")
    else:
        result.note(check, _too_large("half a batch and the whole", apart, tolerance))


def _batched(inputs: object, batch_dim: int) -> list[Tensor]:
    values = inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, tuple) else [inputs]
    return [each for each in values if isinstance(each, Tensor) and each.ndim > batch_dim]


def _first(inputs: object, batch_dim: int, batch: int, half: int) -> object:
    def cut(value: object) -> object:
        if isinstance(value, Tensor) and value.ndim > batch_dim and value.shape[batch_dim] == batch:
            return value.narrow(batch_dim, 0, half)
        return value

    if isinstance(inputs, Mapping):
        return {key: cut(value) for key, value in inputs.items()}
    return tuple(map(cut, inputs)) if isinstance(inputs, tuple) else cut(inputs)


def _check_compiled(
    result: Verification, model: nn.Module, inputs: object, evaluated: dict[str, Tensor], tolerance: float
) -> None:
    check = "the compiled model agrees"
    try:
        outputs = results(torch.compile(model), inputs, training=False, gradients=False)  # type: ignore[arg-type]
    except Exception as error:  # the compiler raises errors of every kind
        reason = " ".join(str(error).split())[:300]
        result.note(check, [f"The model cannot be compiled ({type(error).__name__}: {reason})."])
        return
    result.note(check, _too_large("the compiled model and evaluation", difference(evaluated, outputs), 10 * tolerance))
