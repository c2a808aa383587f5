"""Tries an activation on small tensors before training, so that a mistake in its class is one message.

Values are not judged here: any finite function with a gradient is accepted.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from carelu import ActivationFactory
from experiments.errors import BadInput, one_line
from experiments.tasks.activation_sites import activate

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""`trainer.precision` → the dtype of the pre-activations."""

FOR_SITE = "for_site(cls, channels, sample_dims, pre_norm, **options)"
_GUIDE = "see docs/adding-an-activation.md"


class Site(NamedTuple):
    """What a model tells an activation about one of its places, see `ActivationFactory.__call__`."""

    channels: int
    sample_dims: tuple[int, ...]
    pre_norm: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a small input there. No other size equals the number of channels, or broadcasting could hide a mistake."""
        others = iter([size for size in (4, 5, 7, 6, 8) if size != self.channels])
        last, own = max(self.sample_dims), self.sample_dims[0]
        return tuple(self.channels if dim == own else next(others) for dim in range(last + 1))


IMAGES, TOKENS = Site(8, (1, 2, 3), pre_norm=True), Site(8, (2,))
"""Eight channels, as an activation may need a number that can be divided."""


def check_activation(factory: ActivationFactory, precision: str, device: torch.device) -> None:
    """Tries an activation on images and, if it fails there, on tokens, before the model is known.

    Args:
        factory: the activation.
        precision: `trainer.precision`, resolved.
        device: where it will compute.

    Raises:
        BadInput: it works on neither; the message is that for images.
    """
    try:
        check_site(factory, IMAGES, precision, device)
    except BadInput as on_images:
        try:
            check_site(factory, TOKENS, precision, device)
        except BadInput:
            raise on_images from None


class CheckedActivations(ActivationFactory):
    """Builds the same modules as `factory`, and tries one of each kind of site when the model asks for it.

    Args:
        factory: the activation.
        precision: `trainer.precision`, resolved.
        device: where it will compute.
    """

    def __init__(self, factory: ActivationFactory, precision: str, device: torch.device):
        self.name, self.options = factory.name, factory.options
        self._factory, self._precision, self._device = factory, precision, device
        self._tried: set[Site] = set()

    def __call__(self, channels: int, sample_dims: tuple[int, ...], pre_norm: bool = False) -> nn.Module:
        """As `ActivationFactory.__call__`.

        Raises:
            BadInput: the activation does not work at this site.
        """
        module = self._factory(channels, sample_dims, pre_norm)
        site = Site(channels, sample_dims, pre_norm)
        if site not in self._tried:
            self._tried.add(site)
            check_site(self._factory, site, self._precision, self._device)
        return module


def check_site(factory: ActivationFactory, site: Site, precision: str, device: torch.device) -> None:
    """Builds two modules for a site and computes one forward and backward pass. Random states stay as they are.

    Raises:
        BadInput: the class cannot be built or used there; the message says what to correct.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        module, other = (_build(factory, site).to(device) for _ in range(2))
        _check_parameters(factory, module, other)
        for dtype in dict.fromkeys((torch.float32, PRECISIONS[precision])):
            _check_pass(factory, module, site, _example(site, dtype, device))


def _refused(factory: ActivationFactory, mistake: str, way_out: str) -> BadInput:
    return BadInput(f"act={factory.name}: {mistake}; {way_out}")


def _build(factory: ActivationFactory, site: Site) -> nn.Module:
    try:
        module = factory(*site)
    except Exception as error:  # a class of someone's own may raise anything
        raise _refused(
            factory,
            f"its class cannot be built with act.options={factory.options}: {_said(error)}",
            f"a class takes its options with defaults, begins with super().__init__(), and learns its channels from "
            f"a class method {FOR_SITE}, {_GUIDE}",
        ) from error
    kind = type(module)
    if not isinstance(module, nn.Module):
        raise _refused(factory, f"its for_site returns {kind.__name__}", "return a module: cls(…)")
    if "channels" in inspect.signature(kind).parameters and not hasattr(kind, "for_site"):
        raise _refused(
            factory,
            f"{kind.__name__} takes channels, and nothing sets them: all channels would share one parameter",
            f"add the class method {FOR_SITE}, {_GUIDE}",
        )
    return module


def _check_parameters(factory: ActivationFactory, module: nn.Module, other: nn.Module) -> None:
    elsewhere = {id(parameter) for parameter in other.parameters()}
    for name, parameter in module.named_parameters():
        if id(parameter) in elsewhere:
            raise _refused(
                factory,
                f"all its modules share the parameter {name!r}",
                f"make it in __init__: self.{name} = nn.Parameter(…)",
            )
    for name, kind in _unregistered(module):
        raise _refused(
            factory,
            f"no optimizer would see {name!r}, {kind}",
            f"self.{name} = nn.Parameter(…), or nn.ParameterList([…]) for several",
        )


def _unregistered(module: nn.Module) -> Iterator[tuple[str, str]]:
    """(attribute, what it is) of tensors that should be learned and are no parameters."""
    for part in module.modules():
        for name, value in vars(part).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            if isinstance(value, Tensor) and value.requires_grad:
                yield name, "a tensor with requires_grad"
            held = value.values() if isinstance(value, Mapping) else value
            if isinstance(held, list | tuple | type({}.values())) and any(isinstance(v, nn.Parameter) for v in held):
                yield name, f"a {type(value).__name__} of parameters"


def _example(site: Site, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Pre-activations of both signs, and one that is 0."""
    z = 3 * torch.randn(site.shape, generator=torch.Generator().manual_seed(0))
    z[(0,) * z.ndim] = 0
    return z.to(device, dtype)


def _check_pass(factory: ActivationFactory, module: nn.Module, site: Site, example: Tensor) -> None:
    z = example.clone()
    _check_output(factory, z, _forward(factory, module, site, z))
    if not torch.equal(z, example):
        raise _refused(factory, "forward changes its input", "compute a new tensor: z.clamp(…) and not z.clamp_(…)")
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    of_input, *of_parameters = _gradients(factory, module, site, z, names)
    if of_input is None:
        raise _refused(
            factory,
            "no gradient reaches its input",
            "compute with torch alone, without detach(), .data, item(), numpy or torch.no_grad()",
        )
    _check_finite(factory, z, of_input, "the derivative of forward")
    if not of_input.any():
        raise _refused(
            factory, "the derivative of forward is 0 everywhere, so nothing before it would learn", "give it a slope"
        )
    for name, gradient in zip(names, of_parameters, strict=True):
        if gradient is None:
            raise _refused(factory, f"forward does not use its parameter {name!r}", "use it there, or leave it out")
        if not gradient.isfinite().all():
            raise _refused(factory, f"the gradient of its parameter {name!r} is not finite", _FINITE)


_FINITE = "keep it finite for every input, for example by clamp or a small ε in a quotient, root or logarithm"


def _forward(factory: ActivationFactory, module: nn.Module, site: Site, z: Tensor) -> Tensor:
    try:
        return activate(module, z, z)
    except Exception as error:
        raise _refused(
            factory,
            f"forward fails for an input of shape {tuple(z.shape)} with {site.channels} channels in dimension "
            f"{site.sample_dims[0]}, and act.options={factory.options}: {_said(error)}",
            f"a parameter with a value per channel gets channels and sample_dims[0] from {FOR_SITE}, {_GUIDE}",
        ) from error


def _gradients(
    factory: ActivationFactory, module: nn.Module, site: Site, z: Tensor, names: list[str]
) -> tuple[Tensor | None, ...]:
    """Of the sum of the outputs: those of the input and of the named parameters; None where there is none."""
    z = z.clone().requires_grad_()
    output = _forward(factory, module, site, z)
    parameters = dict(module.named_parameters())
    if not output.requires_grad:
        return (None,) * (1 + len(names))
    try:
        return torch.autograd.grad(output.sum(), [z, *(parameters[name] for name in names)], allow_unused=True)
    except Exception as error:
        raise _refused(
            factory, f"its backward pass fails: {_said(error)}", "compute with torch and change no tensor in place"
        ) from error


def _check_output(factory: ActivationFactory, z: Tensor, output: object) -> None:
    if not isinstance(output, Tensor):
        raise _refused(factory, f"forward returns {type(output).__name__}", "return a tensor of the input's shape")
    if output.shape != z.shape:
        raise _refused(
            factory,
            f"forward returns the shape {tuple(output.shape)} for an input of the shape {tuple(z.shape)}",
            "return one value for each value of the input",
        )
    if output.dtype != z.dtype:
        raise _refused(
            factory,
            f"forward returns {output.dtype} for an input of {z.dtype}",
            "convert parameters and constants by .to(z.dtype)",
        )
    _check_finite(factory, z, output, "the output of forward")


def _check_finite(factory: ActivationFactory, z: Tensor, values: Tensor, what: str) -> None:
    bad = ~values.isfinite()
    if bad.any():
        example = f"{values[bad][0].item():g} for the input {z[bad][0].item():.3g}"
        raise _refused(factory, f"{what} is not finite, like {example}", _FINITE)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
