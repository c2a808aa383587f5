"""What the activations of a model have learned, and what they do to its inputs: `monitor`."""

import contextlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from carelu.activations import CAReLU
from carelu.plotting import empty_figure
from carelu.reference import widest
from carelu.registry import activation_modules

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

Row = dict[str, Any]


@dataclass
class _Seen:
    """Sums over the competitions of one layer, on its device, so that nothing waits for it."""

    competitions: int = 0
    sums: Tensor | float = 0.0
    """Of p, p², s, s² and of the competitions with s < 0."""
    least: Tensor | float = math.inf
    largest: Tensor | float = -math.inf

    @torch.no_grad()
    def add(self, module: CAReLU, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> None:
        share = module.share(*args, **kwargs).flatten()
        if not share.numel():
            return
        scale = module.scale(share)
        p, s = share.to(widest(share.device)), scale.to(widest(share.device))
        self.competitions += share.numel()
        self.sums = self.sums + torch.stack([p.sum(), (p * p).sum(), s.sum(), (s * s).sum(), (s < 0).sum()])
        least, largest = scale.aminmax()
        self.least, self.largest = least.clamp(max=self.least), largest.clamp(min=self.largest)

    def values(self) -> Row:
        if not isinstance(self.sums, Tensor):
            return {}
        share, squares, scale, squares_of_scale, flipped = (self.sums / self.competitions).tolist()
        return {
            **{"share": share, "share_std": math.sqrt(max(0.0, squares - share**2))},
            **{"scale": scale, "scale_std": math.sqrt(max(0.0, squares_of_scale - scale**2))},
            **{"scale_min": float(self.least), "scale_max": float(self.largest), "flipped": flipped},
        }


@dataclass
class Monitor:
    """Measures the activations of a model during the forward passes inside its `with` block; see `monitor`.

    Args:
        model: the watched model.
    """

    model: nn.Module
    _seen: dict[nn.Module, _Seen] = field(default_factory=dict, repr=False)
    _hooks: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __enter__(self) -> "Monitor":
        for _, module in activation_modules(self.model):
            if isinstance(module, CAReLU):
                self._hooks.callback(module.register_forward_hook(self._measure, with_kwargs=True).remove)
        return self

    def __exit__(self, *exception: object) -> None:
        self._hooks.close()

    def _measure(self, module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: Tensor) -> None:
        assert isinstance(module, CAReLU)
        self._seen.setdefault(module, _Seen()).add(module, args, kwargs)

    def rows(self) -> list[Row]:
        """One row for each activation that has learned parameters, in the order of `named_modules`.

        Returns:
            Each row has `layer` (the module's name), `activation` (its class) and the mean of each parameter, like
            `alpha` and `beta`. For CAReLU it has `competitions`, how many were measured: one for each sample, token or
            what else competes by itself. Where there are any, also `share`, the mean of p, and `share_std`; `scale`,
            `scale_std`, `scale_min` and `scale_max`, those of K tanh(α p + β); and `flipped`, the part of the
            competitions with a negative scale, where the negative values pass. None has a unit.
        """
        rows = []
        for name, module in activation_modules(self.model):
            parameters = {key: p.detach().float().mean().item() for key, p in module.named_parameters()}
            if not parameters:
                continue
            row: Row = {"layer": name, "activation": type(module).__name__, **parameters}
            if isinstance(module, CAReLU):
                seen = self._seen.get(module, _Seen())
                row |= {"competitions": seen.competitions, **seen.values()}
            rows.append(row)
        return rows

    def plot(self) -> "Figure":
        """A matplotlib figure of p, the scale and α and β over the layers of CAReLU; `savefig` writes it.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: no CAReLU of the model was measured.
        """
        rows = [row for row in self.rows() if "scale" in row]
        if not rows:
            raise ValueError(
                "nothing was measured; call the model inside `with carelu.monitor(model) as watched:`, "
                "and it must hold a CAReLU"
            )
        figure = empty_figure(width=max(4.0, 2.0 + 0.3 * len(rows)), height=6.0)
        panels = figure.subplots(3, 1, sharex=True)
        places = range(len(rows))
        for axes, name, spread in ((panels[0], "share", "share_std"), (panels[1], "scale", "scale_std")):
            means, stds = ([row[key] for row in rows] for key in (name, spread))
            axes.errorbar(places, means, stds, fmt="o", capsize=2)
        panels[1].axhline(0, color="0.7", linewidth=0.8)
        for name, marker in (("alpha", "^"), ("beta", "s")):
            panels[2].plot(places, [row[name] for row in rows], marker, label={"alpha": "α", "beta": "β"}[name])
        panels[2].legend(frameon=False)
        for axes, label in zip(panels, ("share p", "scale", "parameters"), strict=True):
            axes.set_ylabel(label)
        panels[2].set_xticks(places, [row["layer"] for row in rows], rotation=90, fontsize=7)
        return figure


def monitor(model: nn.Module) -> Monitor:
    """Watches the activations of `model`: what they have learned, and what CAReLU does to the inputs.

        with carelu.monitor(model) as watched:
            model(inputs)
        for row in watched.rows():
            print(row["layer"], row["alpha"], row["share"], row["scale"], row["flipped"])

    The measurements of all forward passes in the block are pooled. The passes of compiled code are not seen: give the
    model as it was before `torch.compile`. Outside the block nothing is slowed down.

    Returns:
        A `Monitor`: `rows()` are the numbers, `plot()` is a picture.
    """
    return Monitor(model)
