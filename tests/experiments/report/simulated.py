"""Simulated evidence for tests of the report: a ledger with metrics and pictures, as publishing would have left them."""

import json

import numpy as np
import torch

from experiments import ledger
from experiments.comparison_strip import comparison_strip

ACTS = ("relu", "prelu", "gelu", "swish", "carelu")

_TASKS = {  # task → model, data, headline, its level, spread between seeds, further metrics
    "cifar100": ("resnet18-w16", "cifar100", "top1", 41.0, 0.5, {"top5": 73.0, "loss": 2.2}),
    "superres": ("edsr-4x32", 'bsds300(test_sets=["set5"])', "psnr_y", 31.2, 0.02, {"bicubic_psnr_y": 30.1}),
    "text": ("bert", "snli-38.7k-subset", "accuracy", 60.7, 0.4, {"macro_f1": 60.5}),
}
_LAYERS = {"cifar100": [f"blocks.{block}.act" for block in range(8)], "superres": ["a", "b"], "text": ["a", "b"]}


def result(task="cifar100", act="relu", seed=0, value=None, status="finished", **fields):
    """One row of a ledger."""
    model, data, headline, level, _, further = _TASKS[task]
    value = level if value is None else value
    config_hash = f"{abs(hash_of(task, act)):010x}"[:10]
    row = {
        "run_id": f"{task}-small-{act}-s{seed}-{config_hash}",
        "status": status,
        "task": task,
        "model": model,
        "data": data,
        "recipe": "small",
        "act": act,
        "seed": seed,
        "headline_metric": headline,
        "headline_value": value if status == "finished" else "",
        "parameters": 713_076 + 34 * act.startswith("carelu"),
        "epochs": 4,
        "steps": 1564,
        "wall_seconds": 400.0 + seed,
        "step_milliseconds": 240.0 * (1 + 0.1 * (ACTS.index(act) if act in ACTS else 5)) + seed,
        "peak_memory_mib": 1434.4,
        "device": f"AMD EPYC ({1 + seed % 2} threads)",
        "precision": "float32",
        "config_hash": config_hash,
        "git_commit": "b3d14228b011c9fc7310c9cbfe60ce730885aa66",
        "git_dirty": False,
        "python": "3.11.7",
        "torch": "2.11.0",
        "command": f"python run.py task={task} act={act} recipe=small seed={seed}",
        "finished_at": f"2026-01-31T12:{seed:02d}:00Z",
    }
    return {**row, **({headline: value, **further} if status == "finished" else {}), **fields}


def hash_of(*words):
    """The same number for the same words on every machine."""
    return int.from_bytes("".join(words).encode(), "big") % 10**10


def simulate(folder, tasks=tuple(_TASKS), acts=ACTS, seeds=range(3), gain=0.8):
    """Writes a ledger with metrics and pictures in which the activations differ by noise, and carelu by `gain` sd more.

    Returns:
        The ledger's file.
    """
    noise = np.random.default_rng(0)
    (folder / "metrics").mkdir(parents=True)
    rows = []
    for task in tasks:
        *_, level, sd, _ = _TASKS[task]
        for act in acts:
            for seed in seeds:
                value = level + sd * (0.3 * seed + 0.5 * noise.standard_normal() + gain * 3 * (act == "carelu"))
                rows.append(result(task, act, seed, round(value, 3)))
                write_metrics(folder, rows[-1], noise)
                if task == "superres":
                    write_picture(folder, rows[-1], noise)
    ledger.write(folder / "ledger.csv", rows)
    return folder / "ledger.csv"


def write_metrics(folder, row, noise):
    """The curves of a run; super-resolution measures its test set at the end alone, as the real one does."""
    records = []
    for epoch in range(5):
        record = {"epoch": epoch, "step": 391 * epoch}
        towards = 1 - 0.5**epoch
        if epoch:
            record["train/loss"] = 4 - 2 * towards + 0.05 * noise.standard_normal()
            if row["task"] != "superres" or epoch == 4:
                record[row["headline_metric"]] = row["headline_value"] * towards / (1 - 0.5**4)
            if row["task"] == "superres":
                record["train/psnr"] = 25 + 6 * towards + 0.1 * noise.standard_normal()
        record["activations"] = {
            layer: _learned(row["act"], depth / len(_LAYERS[row["task"]]), towards, noise)
            for depth, layer in enumerate(_LAYERS[row["task"]])
        }
        if row["act"] not in ("carelu", "prelu"):
            del record["activations"]
        records.append(record)
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics" / f"{row['run_id']}.jsonl").write_text(text)


def _learned(act, depth, towards, noise):
    if act == "prelu":
        return {"weight": 0.25 - 0.2 * depth * towards}
    alpha, beta, share = -0.3 * depth * towards, 0.8 - 0.2 * towards, 0.5 - 0.3 * (1 - depth) * towards
    scale = 1.5 * np.tanh(alpha * share + beta)
    return {"alpha": alpha, "beta": beta, "share": share + 0.01 * noise.random(), "share_std": 0.1, "scale": scale}


def write_picture(folder, row, noise):
    """The comparison strip of a run on a small image."""
    (folder / "pictures").mkdir(exist_ok=True)
    original = torch.arange(3 * 32 * 48).remainder(200).reshape(3, 32, 48).to(torch.uint8)
    worse = (original + torch.from_numpy(noise.integers(0, 20, original.shape)).to(torch.uint8)).to(torch.uint8)
    versions = {"low resolution, 1/2": worse, "bicubic": worse, "output": (original + 2).to(torch.uint8)}
    strip = comparison_strip(versions, original, framed=(4, 4, 20), border=2)
    strip.save(folder / "pictures" / f"{row['run_id']}.png")
