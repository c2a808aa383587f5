"""One pass of a model in a chosen mode, nothing random in it and nothing left behind, and comparing two of them."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def call(model: nn.Module, inputs: object) -> object:
    """`model(…)` with a tensor, a tuple of positional arguments or a mapping of keyword arguments."""
    if isinstance(inputs, tuple):
        return model(*inputs)
    if isinstance(inputs, Tensor) or not hasattr(inputs, "keys"):
        return model(inputs)
    return model(**{key: inputs[key] for key in inputs.keys()})  # type: ignore[attr-defined, index]  # noqa: SIM118


def results(model: nn.Module, inputs: object, *, training: bool, gradients: bool) -> dict[str, Tensor]:
    """The floating-point results of one pass by their place in the result, with nothing random in it."""
    without = _WithoutDropout() if training else contextlib.nullcontext()
    with undisturbed(model, training), torch.set_grad_enabled(gradients), without:
        return results_of(model, inputs)


def results_of(model: nn.Module, inputs: object) -> dict[str, Tensor]:
    """The floating-point results of one pass by their place in the result."""
    return dict(_tensors(call(model, inputs)))


@contextlib.contextmanager
def kept(inputs: object) -> Iterator[None]:
    """Inputs that a pass overwrites in place are put back at the end."""
    before = [(tensor, tensor.detach().clone()) for _, tensor in _tensors(inputs)]
    try:
        yield
    finally:
        _put_back(before)


def _put_back(tensors: list[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for tensor, before in tensors:
            if not torch.equal(tensor, before):  # backward may still need one that did not change
                tensor.copy_(before)


@contextlib.contextmanager
def undisturbed(model: nn.Module, training: bool) -> Iterator[None]:
    """The model in the mode asked for, dropout modules off and batch statistics fixed; put back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    held = [(module, dict(module._buffers), dict(vars(module))) for module in model.modules()]
    try:
        model.train(training)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) or _drops(module):
                module.train(False)
        devices = {parameter.device.index for parameter in model.parameters() if parameter.is_cuda}
        with torch.random.fork_rng(list(devices)):
            torch.default_generator.manual_seed(0)  # torch.manual_seed would also seed devices that are not put back
            for device in devices:
                torch.cuda.default_generators[device].manual_seed(0)
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, own, attributes in held:
            if not _same(module._buffers, own):
                module._buffers.clear()
                module._buffers.update(own)
                vars(module).update(attributes)  # what it noted of its buffers, such as the length of a cache
        _put_back(buffers)


def _same(one: Mapping[str, Tensor | None], other: Mapping[str, Tensor | None]) -> bool:
    return one.keys() == other.keys() and all(one[name] is other[name] for name in one)


def _drops(module: nn.Module) -> bool:
    names = {each.__name__ for each in type(module).__mro__}
    return isinstance(module, nn.modules.dropout._DropoutNd) or bool(
        {name for name in names if name.endswith(("DropPath", "StochasticDepth", "Dropout"))}
    )


class _WithoutDropout(TorchFunctionMode):
    """Turns dropout off that is called as a function, or that attention does inside."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name.rstrip("_0123d") in ("dropout", "alpha_dropout", "feature_alpha_dropout", "feature_dropout"):
            return args[0] if args else kwargs["input"]
        if name == "scaled_dot_product_attention":
            args, kwargs["dropout_p"] = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args, 0.0
            if len(args) > 4:
                del kwargs["dropout_p"]
        if name == "multi_head_attention_forward":
            kwargs["training"] = False
        return func(*args, **kwargs)


def _tensors(value: object, place: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if value.is_floating_point() and not value.is_nested:
            yield place or "result", value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _tensors(each, f"{place}.{key}")
    elif isinstance(value, tuple | list):
        names = getattr(value, "_fields", range(len(value)))
        for key, each in zip(names, value, strict=True):
            yield from _tensors(each, f"{place}.{key}")
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _tensors(getattr(value, each.name), f"{place}.{each.name}")


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> tuple[float, float] | None:
    """(largest difference, relative to the largest value; what rounding allows), or None without common results.

    A model may return more in training; then what both return counts, at least the first result.
    """
    pairs = [(one[key], other[key]) for key in one if key in other and one[key].shape == other[key].shape]
    firsts = (next(iter(one.values()), None), next(iter(other.values()), None))
    if not pairs and firsts[0] is not None and firsts[1] is not None and firsts[0].shape == firsts[1].shape:
        pairs = [(firsts[0], firsts[1])]
    if not pairs:
        return None
    largest, rounding = 0.0, 0.0
    for a, b in pairs:
        wide_a, wide_b = a.detach().double(), b.detach().double()
        same = (wide_a == wide_b) | (wide_a.isnan() & wide_b.isnan())
        apart = torch.where(same, 0.0, (wide_a - wide_b).abs())
        size = torch.where(wide_a.isfinite(), wide_a.abs(), 0.0)
        if apart.numel():
            value = float(apart.max() / size.max().clamp_min(1e-12))
            largest = max(largest, value if value == value else float("inf"))
        rounding = max(rounding, 16 * torch.finfo(a.dtype).eps)
    return largest, rounding
