"""Every activation of the suite as a module: CAReLU, its variants, and what it is compared with.

One line of maths and one citation each. Where torch has an activation, the class only adds those to it.
"""

import math
from collections.abc import Sequence
from typing import NoReturn

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from carelu.functional import EPS, GAIN, SHARES, Over, carelu, competition_dims, competition_scale, relu_beta
from carelu.registry import near_matches, register

torch.fx.wrap("carelu")  # one node of a graph: its checks of shape and dtype cannot be traced


@register("relu")
class ReLU(nn.ReLU):
    """max(z, 0). Nair and Hinton, ICML 2010."""


@register("leaky_relu")
class LeakyReLU(nn.LeakyReLU):
    """max(z, 0) + negative_slope · min(z, 0). Maas, Hannun and Ng, ICML 2013."""


@register("elu")
class ELU(nn.ELU):
    """z for z > 0, alpha · (exp(z) − 1) otherwise. Clevert, Unterthiner and Hochreiter, arXiv 1511.07289."""


@register("selu")
class SELU(nn.SELU):
    """λ · ELU(z) with the λ and α that keep mean 0 and variance 1. Klambauer et al., arXiv 1706.02515."""


@register("gelu")
class GELU(nn.GELU):
    """z · Φ(z), Φ the normal distribution function. Hendrycks and Gimpel, arXiv 1606.08415."""

    def __init__(self, approximate: str = "none", inplace: bool = False):
        super().__init__(approximate)


@register("swish")
class Swish(nn.SiLU):
    """z · sigmoid(z), also called SiLU. Ramachandran, Zoph and Le, arXiv 1710.05941."""


@register("mish")
class Mish(nn.Mish):
    """z · tanh(softplus(z)). Misra, arXiv 1908.08681."""


@register("prelu")
class PReLU(nn.Module):
    """max(z, 0) + a · min(z, 0) with a learned slope a, one per channel. He et al., arXiv 1502.01852.

    torch's PReLU takes its channels from dimension 1; this one also serves tokens, whose features
    come last.

    Args:
        init: the slope at the start, dimensionless.
        channels: number of slopes; 1 shares one slope over all channels.
        channel_dim: the dimension that the slopes belong to, when there are several.
        inplace: ignored, and accepted as models pass it to any activation.
    """

    def __init__(self, init: float = 0.25, channels: int = 1, channel_dim: int = 1, inplace: bool = False):
        super().__init__()
        self.init = float(init)
        self.channels = channels
        self.channel_dim = channel_dim
        self.weight = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets every slope to its start."""
        with torch.no_grad():
            self.weight.fill_(self.init)

    @classmethod
    def for_site(cls, channels: int, sample_dims: tuple[int, ...], pre_norm: bool, init: float) -> "PReLU":
        return cls(init, channels, sample_dims[0])

    def forward(self, z: Tensor) -> Tensor:
        if self.channels == 1 or self.channel_dim == 1:
            return F.prelu(z, self.weight.to(z.dtype))
        return F.prelu(z.movedim(self.channel_dim, 1), self.weight.to(z.dtype)).movedim(1, self.channel_dim)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, channel_dim={self.channel_dim}"


@register("carelu")
@register("carelu_sign", alpha=2.0, beta=-1.0)
@register("carelu_l1", competition="l1")
@register("carelu_count", competition="count")
@register("carelu_pre_norm", competition_input="pre_norm")
class CAReLU(nn.Module):
    """ReLU(K tanh(α p + β) z), p the share of the positive values. Chen and Pan, arXiv 2407.19441.

    α and β are learned, one pair per module. By default the module starts exactly as ReLU (α = 0,
    K tanh β = 1 in float32). With `competition_input="pre_norm"` (ours, not the paper's) p is measured on the
    tensor before batch normalisation, which the model passes as the second argument of `forward`.

    Args:
        competition: how p is measured: "energy", "l1" or "count", see `carelu.functional`.
        alpha: α at the start.
        beta: β at the start; None: artanh(1/gain) − alpha/2, for which the scale is 1 at p = ½, whatever alpha is.
        gain: K, the largest absolute scale.
        over: what competes: "sample", "channel", "feature", "image_or_token" or dimensions, see `competition_dims`.
            At a site of a model, "sample" means the dimensions that hold one input's
            pre-activations there: all but the batch for an image, one token's features in text.
        eps: ε of the share.
        competition_input: "normalised" (p of the input itself) or "pre_norm".
        inplace: ignored, and accepted as models pass it to any activation.

    Raises:
        ValueError: an option that is out of its range; the message says what is accepted.
    """

    def __init__(
        self,
        competition: str = "energy",
        alpha: float = 0.0,
        beta: float | None = None,
        gain: float = GAIN,
        over: Over = "sample",
        eps: float = EPS,
        competition_input: str = "normalised",
        inplace: bool = False,
    ):
        super().__init__()
        for option, word, known in (
            ("competition", competition, list(SHARES)),
            ("competition_input", competition_input, ["normalised", "pre_norm"]),
        ):
            if word not in known:
                raise ValueError(f"{option}={word!r} is unknown; {near_matches(str(word), known)}")
        if isinstance(over, str):
            competition_dims(4, over)
        elif not isinstance(over, Sequence) or not over or not all(isinstance(dim, int) for dim in over):
            raise ValueError(
                f"over={over!r} is neither 'sample', 'channel', 'feature', 'image_or_token' nor a list of dimensions"
            )
        elif len(set(over)) < len(over):
            raise ValueError(f"over={over!r} names a dimension twice; accepted: a list of different dimensions")
        for option, value in (("gain", gain), ("eps", eps)):
            if not 0 < value < math.inf:
                raise ValueError(f"{option}={value} is not a positive number")
        for option, value in (("alpha", alpha), ("beta", beta)):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{option}={value} is not a finite number")
        self.competition = competition
        self.gain = float(gain)
        self.over = over if isinstance(over, str) else tuple(over)
        self.eps = float(eps)
        self.competition_input = competition_input
        self.start = float(alpha), relu_beta(gain, alpha) if beta is None else float(beta)
        # One dimension, as FSDP divides parameters along their first.
        self.alpha, self.beta = nn.Parameter(torch.empty(1)), nn.Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets α and β to their start."""
        with torch.no_grad():  # not by nn.init, which some libraries switch off while they build a model
            for parameter, value in zip((self.alpha, self.beta), self.start, strict=True):
                parameter.fill_(value)

    def __prepare_scriptable__(self) -> NoReturn:
        """torch.jit.script asks for this first."""
        raise NotImplementedError(
            "torch.jit.script does not support CAReLU; use torch.jit.trace, torch.export.export or torch.compile"
        )

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs) -> None:
        """Accepts the parameters of version 0.1 too, which had no dimension."""
        for key in (f"{prefix}alpha", f"{prefix}beta"):
            if key in state_dict and state_dict[key].ndim == 0:
                state_dict[key] = state_dict[key].reshape(1)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @classmethod
    def for_site(cls, channels: int, sample_dims: tuple[int, ...], pre_norm: bool, **options) -> "CAReLU":
        if options["over"] == "sample":
            options["over"] = sample_dims
        module = cls(**options)
        if module.needs_pre_norm and not pre_norm:
            raise ValueError(
                "competition_input='pre_norm' needs a model that passes the tensor before its normalisation, "
                "and this site has none; use competition_input='normalised'"
            )
        return module

    @property
    def needs_pre_norm(self) -> bool:
        """Whether `forward` needs the tensor before normalisation as its second argument."""
        return self.competition_input == "pre_norm"

    def share(self, z: Tensor, pre_norm: Tensor | None = None) -> Tensor:
        """The share p of the positive values, the competing dimensions kept at size 1.

        Raises:
            ValueError: `competition_input="pre_norm"` and no `pre_norm` is given.
        """
        if self.needs_pre_norm:
            z = self._measured(pre_norm)
        return SHARES[self.competition](z, over=self.over, eps=self.eps)

    def scale(self, share: Tensor) -> Tensor:
        """The scale K tanh(α p + β) at a share p, of the shape of `share`."""
        return competition_scale(share, self.alpha, self.beta, self.gain)

    def forward(self, z: Tensor, pre_norm: Tensor | None = None) -> Tensor:
        return carelu(
            z,
            self.alpha,
            self.beta,
            competition=self.competition,
            gain=self.gain,
            over=self.over,
            eps=self.eps,
            measured=self._measured(pre_norm) if self.needs_pre_norm else None,
        )

    def _measured(self, pre_norm: Tensor | None) -> Tensor:
        if pre_norm is None:
            raise ValueError("competition_input='pre_norm': call the module with (z, tensor before normalisation)")
        return pre_norm

    def extra_repr(self) -> str:
        return (
            f"competition={self.competition!r}, gain={self.gain}, over={self.over!r}, eps={self.eps}, "
            f"competition_input={self.competition_input!r}"
        )
