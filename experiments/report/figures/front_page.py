"""The picture of the front page: how activations respond, and their differences to ReLU in each setting of a ledger."""

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import matplotlib.style
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from torch import nn

from carelu import CAReLU
from carelu.plotting import Curve, at_share
from experiments.analysis.comparison import Entry
from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import Headline, headlines
from experiments.analysis.metrics import difference_unit
from experiments.errors import BadInput
from experiments.report.figures.differences import draw_differences
from experiments.report.figures.response import competes, started_modules
from experiments.report.figures.style import RC, Look, looks
from experiments.report.names import activation_name, data_name, model_name

_Z = torch.linspace(-3, 3, 241, dtype=torch.float64)
_USUAL = ("relu", "prelu", "gelu", "swish")
"""The order of the usual ones; others follow in that of the settings."""
_ABREAST = 4
"""The most panels of settings in one line."""


def front_page(ledger: Path) -> dict[str, bytes]:
    """The picture by suffix, `svg` and `png`: the responses, and a panel for each setting with two pairs or more.

    Raises:
        BadInput: the ledger cannot be read, or has no such setting.
    """
    evidence = read_evidence(ledger)
    panels = [each for each in headlines(evidence) if _paired(each)]
    if not panels:
        raise BadInput(f"{ledger} holds no comparison with two pairs or more; accepted: one of a sweep over seeds")
    acts = list(dict.fromkeys([panels[0].entries[0].act, *(entry.act for each in panels for entry in _paired(each))]))
    acts = [act for act in _USUAL if act in acts] + [act for act in acts if act not in _USUAL]
    lines = 1 if len(panels) <= _ABREAST else 2
    with matplotlib.style.context(["default", RC]):
        columns, height = -(-len(panels) // lines), 3.1 * lines
        sheet = Sheet(figsize=(11, height))  # a layout that is solved for may differ in its last digits
        FigureCanvasAgg(sheet)
        grid = sheet.add_gridspec(
            lines,
            1 + columns,
            width_ratios=[1.5] + [1] * columns,
            left=0.045,
            right=0.985,
            bottom=0.47 / height,
            top=1 - 0.45 / height,
            wspace=0.5,
            hspace=0.5,
        )
        styles = looks(acts)
        _responses(sheet.add_subplot(grid[:, 0]), started_modules(evidence, acts), styles)
        for place, each in enumerate(panels):
            _differences(sheet.add_subplot(grid[place // columns, 1 + place % columns]), each, styles)
        return {suffix: _saved(sheet, suffix) for suffix in ("svg", "png")}


def _paired(compared: Headline) -> list[Entry]:
    return [entry for entry in compared.entries if len(entry.differences) > 1]


def _responses(axes: Axes, modules: Mapping[str, nn.Module], styles: Mapping[str, Look]) -> None:
    """Each activation at the start of its runs, a competition at the two ends of the share p.

    A CAReLU that starts as ReLU is not drawn, as it hides ReLU.
    """
    for act, module in modules.items():
        name, colour = activation_name(act), styles[act].colour
        if competes(module):
            for share, line in ((1.0, "-"), (0.0, (0, (4, 1.5)))):
                _line(axes, at_share(module, share), color=colour, ls=line, lw=2, label=f"{name}, p = {share:g}")
        elif not isinstance(module, CAReLU):
            _line(axes, module, color=colour, ls=styles[act].line, lw=1.2, label=name)
    axes.set(title="Response", xlabel="z", ylabel="y", xlim=(-3, 3), ylim=(-1, 5.6))
    columns = 1 if len(axes.lines) <= 3 else 2
    axes.legend(fontsize=8, frameon=False, loc="upper center", ncols=columns, handlelength=1.4, columnspacing=0.8)


def _line(axes: Axes, curve: Curve, **look: object) -> None:
    with torch.no_grad():
        axes.plot(_Z.numpy(), curve(_Z).numpy(), **look)


def _differences(axes: Axes, compared: Headline, styles: Mapping[str, Look]) -> None:
    metric, entries = compared.metric, _paired(compared)
    labels = [activation_name(entry.act).replace(" (", "\n(", 1) for entry in entries]
    draw_differences(axes, entries, metric, styles, labels)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    setting = compared.setting
    plain = replace(setting, overrides="{}")
    title = f"{data_name(plain)}, {model_name(plain)}"
    axes.set(
        title=f"{title}\ndifference to {activation_name(compared.entries[0].act)}",
        xlabel=", ".join(filter(None, [metric.title, difference_unit(metric)])),
    )


def _saved(sheet: Sheet, suffix: str) -> bytes:
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[suffix]
    content = io.BytesIO()
    sheet.savefig(content, format=suffix, dpi=160, metadata=metadata)
    return content.getvalue()
