"""Simulated ledgers: rows as a run writes them, with values that a test plants."""

import csv
import hashlib
import re
import shlex

import numpy as np
import yaml

from experiments.analysis.evidence import read_evidence
from experiments.configuration.composition import literal
from experiments.record.publication import published
from experiments.record.row import COLUMNS, to_text
from experiments.record.run_directory import CONFIG
from experiments.report.table import CSV, RESULT, Block, Cell, Column, Table
from experiments.report.tables import build_tables

HEADLINES = {"cifar100": ("top1", 40.0, 0.3), "superres": ("psnr_y", 31.0, 0.02), "text": ("accuracy", 60.0, 0.4)}
"""Task → (headline metric, usual value, standard deviation over seeds)."""

MODELS = {"cifar100": "resnet18-w16", "superres": "edsr-4x32", "text": "bert"}


def row(act="relu", seed=0, value=40.0, task="cifar100", recipe="small", overrides=None, **fields):
    """A row of a finished run with all columns; further names of fields are columns, with what they hold.

    A test may write overrides in brackets: act="carelu(gain=2)", recipe="small(trainer.epochs=2)".
    """
    act, options = _in_brackets(act, "act.options.")
    recipe, changes = _in_brackets(recipe, "")
    overrides = {**options, **changes, **(overrides or {})}
    metric = fields.get("headline_metric", HEADLINES[task][0])
    data = fields.get("data", task)
    digest = hashlib.sha256(repr((task, recipe, data, act, sorted(overrides.items()), seed)).encode()).hexdigest()[:10]
    words = [f"task={task}", f"act={act}", f"recipe={recipe}", "data=full"]
    words += [f"{key}={literal(value)}" for key, value in overrides.items()]
    filled = {
        "run_id": f"{task}-{recipe}-{act}-s{seed}-{digest}",
        "status": "finished",
        "task": task,
        "model": MODELS[task],
        "data": data,
        "recipe": recipe,
        "act": act,
        "overrides": overrides,
        "seed": seed,
        "headline_metric": metric,
        "headline_value": value,
        "parameters": 713076 + 34 * (act == "carelu"),
        "epochs": 4,
        "steps": 1564,
        "wall_seconds": 400.0,
        "step_milliseconds": 240.0 + 100 * (act == "carelu") + seed,
        "peak_memory_mib": 1400.0 + 50 * (act == "carelu"),
        "device": "AMD EPYC",
        "threads": 2,
        "precision": "float32",
        "config_hash": digest,
        "code_hash": "c0de",
        "activation_hash": "ac7",
        "data_fingerprint": "",
        "kernel": "cpp",
        "git_commit": "b3d14228b011c9fc7310c9cbfe60ce730885aa66",
        "git_dirty": False,
        "python": "3.11.7",
        "torch": "2.11.0",
        "numpy": "2.4.0",
        "transformers": "",
        "tokenizers": "",
        "processor": "AVX512",
        "command": shlex.join(["python", "run.py", *words, f"seed={seed}"]),
        "finished_at": "2026-01-31T12:00:00Z",
        metric: value,
    }
    filled.update(fields)
    if filled["status"] != "finished":
        filled.update({"headline_value": None, metric: None})
    return filled


def _in_brackets(text, prefix):
    """(name, overrides) of `carelu(gain=2, over=channel)`."""
    name, _, inside = text.partition("(")
    parts = re.split(r", (?=[\w.]+=)", inside.removesuffix(")")) if inside else []
    return name, {prefix + key: yaml.safe_load(value) for key, _, value in (part.partition("=") for part in parts)}


def write(file, rows):
    """Writes rows as a ledger; returns the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    further = list(dict.fromkeys(column for each in rows for column in each if column not in COLUMNS))
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, *further], lineterminator="\n")
        writer.writeheader()
        writer.writerows({column: to_text(value) for column, value in each.items()} for each in rows)
    return file


def write_config(ledger, run_id, text):
    """Publishes `text`, YAML, as the configuration of a run beside its ledger."""
    file = published(ledger, CONFIG, run_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def grid(acts, seeds, tasks=("cifar100",), effects=None, generator_seed=0, **fields):
    """Rows of every activation × seed × task; `effects` adds so many standard deviations to an activation."""
    random = np.random.default_rng(generator_seed)
    rows = []
    for task in tasks:
        _, usual, deviation = HEADLINES[task]
        for seed in seeds:
            shared = random.normal()
            for act in acts:
                noise = shared + random.normal() + (effects or {}).get(act, 0.0)
                rows.append(row(act, seed, usual + deviation * noise, task, **fields))
    return rows


def tables_of(file, rows, **options):
    """The tables of a ledger with these rows, by name."""
    return {table.name: table for table in build_tables(read_evidence(write(file, rows)), **options)}


def cells(table, block=0):
    """Activation → column → cell of one block."""
    named = [
        {column.key: cell for column, cell in zip(table.columns, each, strict=True)}
        for each in table.blocks[block].rows
    ]
    return {each["activation"].value: each for each in named}


def small_table(**fields):
    """A table of two rows with all its parts."""
    columns = (
        Column("activation", "activation", (RESULT, CSV), numeric=False),
        Column("mean", "top-1, %", (RESULT, CSV)),
        Column("sd", "sd"),
    )
    rows = (
        (Cell("relu", "relu"), Cell("40.0 ± 1.0", 40.0), Cell("1.0", 1 / 3)),
        (Cell("carelu_l1", "carelu_l1"), Cell("42.0", 42.0, bold=True), Cell("–")),
    )
    filled = {
        "name": "small",
        "title": "A table",
        "caption": "What it is.",
        "columns": columns,
        "blocks": (Block("First", "The setting.", rows, ("A note.",)),),
        "notes": ("How to read.",),
        "commands": ("make it", "run it"),
        **fields,
    }
    return Table(**filled)
