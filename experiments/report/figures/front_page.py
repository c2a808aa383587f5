"""The picture of the front page: how activations respond, and their differences to ReLU, from published tables."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.style
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet

from carelu import CAReLU, activation_names, create_activation
from carelu.functional import carelu
from experiments.analysis.metrics import describe_metric
from experiments.errors import BadInput
from experiments.report.figures.style import FAINT, INK, RC, Look, looks
from experiments.report.names import activation_name, task_name

_Z = torch.linspace(-3, 3, 241)
_USUAL = ("relu", "prelu", "gelu", "swish")
"""The order of the usual ones; others follow in that of the tables."""
_COMPETING = {"alpha": 2.0, "beta": -1.0, "gain": 1.5}
"""A CAReLU whose scale depends on p (at its default start it is ReLU)."""


def front_page(tables: Sequence[Path]) -> dict[str, bytes]:
    """The picture by suffix, `svg` and `png`.

    Args:
        tables: a CSV of each task, as `scripts/make_tables.py` writes them.

    Raises:
        BadInput: a table is missing or has no comparison.
    """
    blocks = [_compared(table) for table in tables]
    with matplotlib.style.context(["default", RC]):
        sheet = Sheet(figsize=(11, 3.1), layout="constrained")
        FigureCanvasAgg(sheet)
        panels = sheet.subplots(1, 1 + len(blocks), width_ratios=[1.35] + [1] * len(blocks))
        _responses(panels[0], _named(blocks))
        for axes, rows in zip(panels[1:], blocks, strict=True):
            _differences(axes, rows, with_names=axes is panels[1])
        return {suffix: _saved(sheet, suffix) for suffix in ("svg", "png")}


def _compared(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["difference_low"]]
    except FileNotFoundError as error:
        raise BadInput(f"{table} does not exist; make it with python scripts/make_tables.py") from error
    if not rows:
        raise BadInput(f"{table} holds no comparison with two seeds or more; accepted: a table of a sweep over seeds")
    return rows


def _named(blocks: Sequence[list[dict[str, str]]]) -> list[str]:
    """The activations of all tables, the baselines among them."""
    there = dict.fromkeys(row[key] for rows in blocks for row in rows for key in ("baseline", "activation"))
    return [act for act in _USUAL if act in there] + [act for act in there if act not in _USUAL]


def _responses(axes: Axes, acts: Sequence[str]) -> None:
    styles = looks(acts)
    names = {act: act.partition("(")[0] for act in acts}
    known = {act: create_activation(name) for act, name in names.items() if name in activation_names()}
    competing = any(isinstance(module, CAReLU) for module in known.values())
    with torch.no_grad():
        for act, module in known.items():
            if act not in activation_names() or isinstance(module, CAReLU):
                continue
            y = module(_Z)
            axes.plot(
                _Z.numpy(),
                y.numpy(),
                color=styles[act].colour,
                linestyle=styles[act].line,
                label=activation_name(act),
                lw=1.2,
            )
        shares = ((1.0, "-", "positive"), (0.0, (0, (4, 1.5)), "negative")) if competing else ()
        for share, line, winner in shares:
            alpha, beta, gain = (torch.tensor(value) for value in _COMPETING.values())
            y = carelu(_Z, alpha, beta, gain=gain.item(), share=torch.tensor(share))
            axes.plot(_Z.numpy(), y.numpy(), color="#d35400", ls=line, lw=2, label=f"CAReLU, {winner} side wins")
    axes.set(title="Response", xlabel="z", ylabel="y", xlim=(-3, 3), ylim=(-1, 5.6))
    axes.legend(fontsize=8, frameon=False, loc="upper center", ncols=2)


def _differences(axes: Axes, rows: list[dict[str, str]], with_names: bool) -> None:
    first = rows[0]
    unit = {"%": "points"}.get(first["unit"], first["unit"])
    styles = looks([row["activation"] for row in rows])
    for place, row in enumerate(rows):
        look = styles[row["activation"]]
        _interval(axes, row, place, look)
        axes.plot(float(row["difference"]), place, look.marker, color=look.colour, markersize=7)
    if first.get("margin"):
        margin = float(first["margin"])
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x")
    axes.set_yticks(
        range(len(rows)), [activation_name(row["activation"]) for row in rows] if with_names else [""] * len(rows)
    )
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set(
        title=f"{task_name(first['task'])}\ndifference to {activation_name(first['baseline'])}",
        xlabel=f"{describe_metric(first['task'], first['metric']).title}, {unit}",
    )


def _interval(axes: Axes, row: dict[str, str], place: int, look: Look) -> None:
    """The interval behind the verdict; where too few pairs bound it, the t interval as a dashed line."""
    of_verdict = bool(row.get("verdict_low"))
    keys = ("verdict_low", "verdict_high") if of_verdict else ("difference_low", "difference_high")
    style = {"linewidth": 2} if of_verdict else {"linewidth": 1.2, "linestyle": (0, (3, 1.5))}
    axes.plot([float(row[key]) for key in keys], [place, place], color=look.colour, **style)


def _saved(sheet: Sheet, suffix: str) -> bytes:
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[suffix]
    content = io.BytesIO()
    sheet.savefig(content, format=suffix, dpi=160, metadata=metadata)
    return content.getvalue()
