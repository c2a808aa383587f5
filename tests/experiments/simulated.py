"""A simulated ledger with metrics and pictures beside it, as publishing would have left them."""

import json
import math

import numpy as np
import torch

from experiments.analysis.evidence import read_evidence
from experiments.report.figures import make_figures
from experiments.tasks.superres.comparison_strip import comparison_strip
from tests.experiments.ledgers import grid, write

_LAYERS = {"cifar100": [f"blocks.{block}.act" for block in range(8)], "superres": ["blocks.0.act", "blocks.1.act"]}
_EPOCHS = 4


def simulate(folder, acts=("relu", "prelu", "carelu"), seeds=range(3), tasks=("cifar100", "superres"), effects=None):
    """Writes a grid of runs; returns the ledger's file."""
    rows = grid(acts, seeds, tasks, effects)
    for row in rows:
        write_metrics(folder, row)
        if row["task"] == "superres":
            write_picture(folder, row)
    return write(folder / "ledger.csv", rows)


def write_metrics(folder, row):
    """The curves of a run; super-resolution measures its test set at the end alone, as the real one does."""
    records = []
    for epoch in range(_EPOCHS + 1):
        towards = 1 - 0.5**epoch
        record = {"epoch": epoch, "step": 391 * epoch}
        if epoch:
            record["train/loss"] = 4 - 2 * towards + 0.02 * row["seed"]
            if row["task"] == "superres":
                record["train/psnr"] = 25 + 6 * towards + 0.05 * row["seed"]
            if row["task"] != "superres" or epoch == _EPOCHS:
                record[row["headline_metric"]] = row["headline_value"] * towards / (1 - 0.5**_EPOCHS)
        layers = _LAYERS.get(row["task"], ["layer.0", "layer.1"])
        learned = {layer: _learned(row["act"], place / len(layers), towards) for place, layer in enumerate(layers)}
        records.append({**record, "activations": learned} if all(learned.values()) else record)
    (folder / "metrics").mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics" / f"{row['run_id']}.jsonl").write_text(text)


def _learned(act, depth, towards):
    if act == "prelu":
        return {"weight": 0.25 - 0.2 * depth * towards}
    if act != "carelu":
        return {}
    alpha, beta, share = -0.3 * depth * towards, 0.8 - 0.2 * towards * (1 - depth), 0.5 - 0.3 * (1 - depth) * towards
    scale = 1.5 * math.tanh(alpha * share + beta)
    return {"alpha": alpha, "beta": beta, "share": share, "share_std": 0.1, "scale": scale}


def write_picture(folder, row, size=(32, 48)):
    """The comparison strip of a run on an image of noise."""
    noise = np.random.default_rng(row["seed"])
    original, worse = (torch.from_numpy(noise.integers(0, 250, (3, *size), dtype=np.uint8)) for _ in range(2))
    versions = {"low resolution, 1/2": worse, "bicubic": worse, "output": original + 2}
    strip = comparison_strip(versions, original, framed=(4, 4, 20), border=2)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    strip.save(folder / "pictures" / f"{row['run_id']}.png")


def by_name(figures):
    """The figures by their names."""
    return {figure.name: figure for figure in figures}


def drawn(file, rows, **options):
    """The figures of a ledger with these rows, by name."""
    return by_name(make_figures(read_evidence(write(file, rows)), **options))
