"""The text sets: files of the user, the bundled parts of SNLI, or the Hugging Face hub."""

import fnmatch
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import filelock

from experiments.errors import BadInput, one_line
from experiments.tasks.text.hub import why_unreachable
from experiments.tasks.text.labelled_texts import (
    Columns,
    LabelledTexts,
    Rows,
    content_checksum,
    find_classes,
    read_rows,
    with_labels,
)
from experiments.tasks.text.spec import TextData

SAMPLE_DIR = Path(__file__).parent / "snli_sample"
SAMPLE_FILES = {
    "train.parquet": "e5fbb7165d4509b6323db3bd92e820ded7ef7a99f2d91c294ab59a9fee1f4aae",
    "validation.parquet": "e0af9c1b6cdca61c6326f5dd4e4b174ffae42b4bb6a01c8bb84a02464aa0a3b4",
    "test.parquet": "d694e25719e8150df266352e2144ce9450e38edf2e7c7bf14bf4bb0195fdc004",
}
"""The bundled sample's files and their SHA-256, as `scripts/make_snli_sample.py` prints them."""

SUBSET_DIR = Path(__file__).parent / "snli_subset"
SUBSET_FILES = {
    "train-subset.parquet": "6aa0acd44d7c623f15df6cac5f5a5c7863d287e8429f330a405d691a79ed223e",
    "validation.parquet": "bf5fc229407b1fa656fd3b69b440460d82c9fa08d0518cd7a6c9d7f7632ef564",
    "test.parquet": "3ef9ab2b7692dc4d7120487b7f26a9069e880ef49dcf2a9c6edffbc37bc49191",
}
"""The bundled subset's files and their SHA-256; in the default folder of `data.root`."""

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class TextSet:
    """A text set in its parts.

    Args:
        parts: "train", "test" and, if there is one, "validation".
        classes: the name of each class.
        notes: what was dropped, as sentences.
    """

    parts: dict[str, LabelledTexts]
    classes: list[str]
    notes: list[str]


def load(data: TextData) -> TextSet:
    """Reads the set that `data`, a configuration of configs/data/text, describes; downloads it if allowed and needed.

    Raises:
        BadInput: it is missing and cannot be downloaded, or its content is unexpected.
    """
    held_out = getattr(data, "held_out", 0)
    if held_out and data.validation is not None:
        raise BadInput(
            f"data.held_out={held_out} and data.validation={data.validation} both name a validation set; "
            "leave one out: data.held_out=0 or data.validation=null"
        )
    rows = {part: _rows(data, part) for part in PARTS if part != "validation" or data.validation is not None}
    _refuse_another_size(data, rows["train"])
    classes = list(data.classes) if data.classes else _classes(data, rows["train"])
    parts = {part: with_labels(files, classes, data.label) for part, files in rows.items()}
    if held_out:
        try:
            parts["train"], parts["validation"] = parts["train"].split(held_out)
        except ValueError as error:
            raise BadInput(f"data.held_out={held_out} is not accepted; accepted: {error}") from error
    return TextSet(parts, classes, [note for part, files in rows.items() for note in _notes(part, files)])


def load_evaluation(data: TextData, classes: list[str]) -> dict[str, LabelledTexts]:
    """The parts "test" and, if there is one, "validation", with labels among `classes`; training data is not needed.

    Raises:
        BadInput: as for `load`, and for a label that is not among `classes`.
    """
    if getattr(data, "held_out", 0):  # a part of the training rows
        parts = load(data).parts
        return {name: parts[name] for name in ("test", "validation")}
    names = ["test", *(["validation"] if data.validation is not None else [])]
    return {name: with_labels(_rows(data, name), classes, data.label) for name in names}


def contents(data: TextData) -> list[str]:
    """Each part and the checksum of its texts and labels; downloads the set if allowed and needed.

    Raises:
        BadInput: the set is missing and cannot be downloaded, or a file of it cannot be read.
    """
    found = []
    for part in PARTS:
        if part == "validation" and data.validation is None:
            continue
        _refuse_unnamed(data, part)
        found += [part, content_checksum(_files(data, part), _columns(data))]
    return found


def classes_of(data: TextData) -> list[str]:
    """The names of the classes: those of `data.classes`, or those found in the training labels.

    Raises:
        BadInput: as for `load`.
    """
    return list(data.classes) if data.classes else _classes(data, _rows(data, "train"))


def _classes(data: TextData, train: list[Rows]) -> list[str]:
    classes = find_classes(train)
    if len(classes) < 2:
        raise BadInput(
            f"{train[0].file}: column {data.label!r} has one label only, {classes[0]!r}; "
            "classification needs two or more: name another column with data.label=…"
        )
    return classes


def _rows(data: TextData, part: str) -> list[Rows]:
    _refuse_unnamed(data, part)
    return [read_rows(file, _columns(data)) for file in _files(data, part)]


def _columns(data: TextData) -> Columns:
    return Columns(tuple(data.text), data.label, data.unlabelled, data.drop_empty)


def _refuse_unnamed(data: TextData, part: str) -> None:
    if getattr(data, part) is None:
        raise BadInput(
            f"data.{part}=null is not accepted; name your files: "
            "data.train=FILE data.test=FILE data.text=[COLUMN] data.label=COLUMN, or use data=sample"
        )


def _refuse_another_size(data: TextData, train: list[Rows]) -> None:
    found = sum(rows.total for rows in train)
    if data.train_rows is not None and found != data.train_rows:
        raise BadInput(
            f"{train[0].file.parent} has {found:,} training rows, {data.name} has {data.train_rows:,}; "
            "a part of a set needs another name, so that its results are not taken for those of the whole: "
            "data=snli_subset for the 38,715 pairs of SNLI, data=csv for any other files"
        )


def _notes(part: str, files: list[Rows]) -> list[str]:
    total = sum(rows.total for rows in files)
    dropped = {
        "have no label": sum(rows.unlabelled for rows in files),
        "have an empty text": sum(rows.empty for rows in files),
    }
    return [f"{count:,} of {total:,} rows of {part} {why} and were dropped" for why, count in dropped.items() if count]


def _files(data: TextData, part: str) -> list[Path]:
    pattern = getattr(data, part)
    if data.source == "sample":
        return [_intact(SAMPLE_DIR / pattern, SAMPLE_FILES)]
    if data.source == "files":
        return [Path(pattern)]
    if Path(data.root) == SUBSET_DIR:
        return [_intact(SUBSET_DIR / name, SUBSET_FILES) for name in fnmatch.filter(SUBSET_FILES, pattern)]
    files = sorted(Path(data.root).glob(pattern))
    return files or _fetched(data, part)


def _intact(file: Path, checksums: dict[str, str]) -> Path:
    if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != checksums[file.name]:
        raise BadInput(f"the bundled file {file} is missing or damaged; restore it: git checkout -- {file}")
    return file


def _fetched(data: TextData, part: str) -> list[Path]:
    patterns = {each: getattr(data, each) for each in PARTS}
    names = ", ".join(pattern for pattern in patterns.values() if pattern is not None)
    choices = f"use the bundled sample with data=sample, or name a folder that holds {names} with data.root=…"
    reason = "data.download=false" if data.hub else "it is not on the hub"
    if data.hub and data.download:
        try:
            Path(data.root).mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(
                Path(data.root, f".{data.name}.lock")
            ):  # of two concurrent first runs one downloads, one waits
                if not list(Path(data.root).glob(patterns[part])):
                    _fetch(data)
            return sorted(Path(data.root).glob(patterns[part]))
        except Exception as error:  # the hub's client raises errors of many kinds
            reason = f"it cannot be downloaded from the hub ({data.hub}): {one_line(error)}"
    raise BadInput(f"data.root={data.root}: {data.name} is missing, and {reason}\n{choices}")


def _fetch(data: TextData) -> None:
    if reason := why_unreachable():
        raise ConnectionError(reason)
    import datasets

    for split, rows in datasets.load_dataset(data.hub, data.hub_config).items():
        part = Path(data.root, f".{split}.parquet.{os.getpid()}")
        rows.to_parquet(str(part))
        part.replace(Path(data.root, f"{split}.parquet"))
