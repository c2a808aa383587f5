"""What the activations of a model have learned, and what they do to the data that the model is evaluated on."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carelu import CAReLU, activation_modules
from carelu.activations import ReLU
from carelu.functional import competition_dims
from experiments.distributed.processes import all_reduce_sum
from experiments.distributed.sharding import WHOLE, Shard

Statistics = dict[str, dict[str, float]]
"""Layer, by the name of its module → name of a value → the value."""


_BLOCK = 2**16
"""Elements of a block on a CPU."""


class _Moments(NamedTuple):
    """Count, mean and sum of squared deviations, merged by the formulas of Chan, Golub and LeVeque (1983).

    The sum of squares minus the squared mean would lose a small spread around a large mean to rounding.
    """

    count: int = 0
    mean: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    @classmethod
    def of(cls, values: Tensor) -> "_Moments":
        values = values.double()
        mean = values.mean()
        return cls(values.numel(), mean, (values - mean).square().sum())

    def merged(self, other: "_Moments") -> "_Moments":
        count = self.count + other.count
        if not count:
            return self
        shift = other.mean - self.mean
        squares = self.squares + other.squares + shift * shift * (self.count * other.count / count)
        return _Moments(count, self.mean + shift * (other.count / count), squares)

    @property
    def std(self) -> float:
        return math.sqrt(max(0.0, self.squares / self.count))


@dataclass
class _Sums:
    """What is summed up over the inputs of one layer: tensors on the device while measuring, floats afterwards."""

    share: _Moments = field(default_factory=_Moments)
    scale: _Moments = field(default_factory=_Moments)
    scale_min: Tensor | float = math.inf
    scale_max: Tensor | float = -math.inf
    flipped: Tensor | float = 0.0
    """Inputs with a negative scale."""
    distance: Tensor | float = 0.0
    """‖f(z) − relu(z)‖²."""
    relu: Tensor | float = 0.0
    """‖relu(z)‖²."""

    def add_competition(self, module: CAReLU, inputs: tuple[Tensor, ...]) -> None:
        together = 0 in competition_dims(inputs[0].ndim, module.over)  # then blocks would cut through a competition
        blocks = [inputs] if together else _blocks(*inputs)
        share = torch.cat([module.share(*block).flatten() for block in blocks])
        scale = module.scale(share)
        least, largest = scale.aminmax()
        self.share, self.scale = self.share.merged(_Moments.of(share)), self.scale.merged(_Moments.of(scale))
        self.scale_min = least.double().clamp(max=self.scale_min)
        self.scale_max = largest.double().clamp(min=self.scale_max)
        self.flipped = self.flipped + (scale < 0).sum(dtype=torch.float64)

    def add_response(self, z: Tensor, output: Tensor) -> None:
        for part, response in _blocks(z, output):
            relu = F.relu(part)
            self.distance = self.distance + _squared_norm(response - relu)
            self.relu = self.relu + _squared_norm(relu)

    def numbers(self) -> list[Tensor | float]:
        return [
            *(*self.share, *self.scale),
            *(self.scale_min, self.scale_max, self.flipped, self.distance, self.relu),
        ]

    @classmethod
    def of_numbers(cls, numbers: list[float]) -> "_Sums":
        return cls(_Moments(*numbers[:3]), _Moments(*numbers[3:6]), *numbers[6:])

    def merged(self, other: "_Sums") -> "_Sums":
        """The sums over the inputs of both, which hold floats."""
        return _Sums(
            self.share.merged(other.share),
            self.scale.merged(other.scale),
            min(self.scale_min, other.scale_min),
            max(self.scale_max, other.scale_max),
            self.flipped + other.flipped,
            self.distance + other.distance,
            self.relu + other.relu,
        )

    def values(self) -> dict[str, float]:
        """The recorded values; one that is not finite is left out."""
        values = {}
        if self.scale.count:
            values = {
                **{"share": self.share.mean, "share_std": self.share.std},
                **{"scale": self.scale.mean, "scale_std": self.scale.std},
                **{"scale_min": self.scale_min, "scale_max": self.scale_max},
                "flipped": self.flipped / self.scale.count,
            }
        if self.relu > 0:
            values["response_distance"] = math.sqrt(self.distance / self.relu)
        return {name: value for name, value in values.items() if math.isfinite(value)}


def _blocks(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """The rows of tensors with equally many, in blocks.

    Intermediate results of a block stay in the cache of a CPU, which makes them several times faster there.
    """
    first = tensors[0]
    rows = max(1, _BLOCK * len(first) // first.numel()) if first.device.type == "cpu" else len(first)
    return zip(*(each.split(rows) for each in tensors), strict=True)


def _squared_norm(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values, dtype=torch.promote_types(values.dtype, torch.float32)).double().square()


class ActivationStatistics:
    """Measures all activations of a model but ReLU while it computes, without waiting for the accelerator.

    Args:
        model: the model. Its hooks do not see the forward passes of compiled code.
    """

    def __init__(self, model: nn.Module):
        self.modules = {name: module for name, module in activation_modules(model) if type(module) is not ReLU}
        self.sums = {name: _Sums() for name in self.modules}

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """In this context the forward passes of the model are measured."""
        hooks = [module.register_forward_hook(self._hook(self.sums[name])) for name, module in self.modules.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @staticmethod
    def _hook(sums: _Sums):
        def measure(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            with torch.no_grad():
                if inputs[0].numel():
                    sums.add_response(inputs[0], output)
                    if isinstance(module, CAReLU):
                        sums.add_competition(module, inputs)

        return measure

    @torch.no_grad()
    def result(self, shard: Shard = WHOLE) -> Statistics:
        """What was measured, over the inputs of all processes; each of them calls it.

        Args:
            shard: the number of this process, and of all.

        Returns:
            For each layer the mean of each parameter, and:

            - `response_distance`: ‖f(z) − relu(z)‖ / ‖relu(z)‖ over all pre-activations z;
            - for CAReLU, over all inputs (elements over which one competition runs): `share` and `share_std`, mean
              and standard deviation of p; `scale`, `scale_std`, `scale_min` and `scale_max`, those of
              K tanh(α p + β); `flipped`, the part of the inputs with a negative scale.

            Padding of texts counts as input.
        """
        if not self.modules:
            return {}
        device = next((s.relu.device for s in self.sums.values() if isinstance(s.relu, Tensor)), torch.device("cpu"))
        own = [
            torch.stack([torch.as_tensor(number, dtype=torch.float64, device=device) for number in sums.numbers()])
            for sums in self.sums.values()
        ]
        # Each process fills its own row of a table of zeros, so that the sum of the tables holds the rows of all.
        table = torch.zeros(shard.count, *torch.stack(own).shape, dtype=torch.float64, device=device)
        table[shard.index] = torch.stack(own)
        (table,) = all_reduce_sum(table)
        statistics: Statistics = {}
        for (name, module), numbers in zip(self.modules.items(), table.transpose(0, 1).tolist(), strict=True):
            total = _Sums()
            for of_process in numbers:
                total = total.merged(_Sums.of_numbers(of_process))
            parameters = {key: float(parameter.mean()) for key, parameter in module.named_parameters()}
            statistics[name] = {**parameters, **total.values()}
        return {name: values for name, values in statistics.items() if values}


def summary(statistics: Statistics) -> dict[str, float]:
    """One number of the model for each question about its activations; without those that no layer has.

    Returns:
        `scale_spread`: the median over the layers of scale_std / |scale|; `flipped`: the mean over the layers;
        `response_distance`: the median over the layers.
    """
    layers = statistics.values()
    found = {
        "scale_spread": [v["scale_std"] / abs(v["scale"]) for v in layers if "scale_std" in v and v.get("scale")],
        "flipped": [v["flipped"] for v in layers if "flipped" in v],
        "response_distance": [v["response_distance"] for v in layers if "response_distance" in v],
    }
    return {name: (fmean if name == "flipped" else median)(values) for name, values in found.items() if values}
