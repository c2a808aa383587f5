"""The confusion matrix of a classifier: counts, scores and a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.files import csv_text, write_atomically

LARGEST_PICTURE = 30
"""The most classes for a readable picture."""


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """int64 classes×classes: how often the class of the row was predicted as that of the column.

    Args:
        labels: int64 N, the true classes.
        predictions: int64 N.
        classes: their number.
    """
    return torch.bincount(labels * classes + predictions, minlength=classes**2).view(classes, classes)


def accuracy(matrix: Tensor) -> float:
    """Accuracy in percent."""
    return 100 * float(matrix.diagonal().sum()) / float(matrix.sum())


def macro_f1(matrix: Tensor) -> float:
    """Mean over the classes of F1 = 2 TP / (2 TP + FP + FN), in percent; a class that never occurs is left out.

    Source: the definition that scikit-learn's f1_score(average="macro") computes.
    """
    matrix = matrix.double()
    denominators = matrix.sum(0) + matrix.sum(1)  # 2 TP + FP + FN
    occurs = denominators > 0
    return 100 * float((2 * matrix.diagonal()[occurs] / denominators[occurs]).mean())


def write(matrix: Tensor, names: Sequence[str], folder: Path) -> list[Path]:
    """Writes confusion_matrix.png (for up to `LARGEST_PICTURE` classes) and confusion_matrix.csv; returns them."""
    files = []
    if len(names) <= LARGEST_PICTURE:
        files.append(folder / "confusion_matrix.png")
        content = io.BytesIO()
        picture(matrix, names).savefig(content, format="png", dpi=150)
        write_atomically(files[-1], content.getvalue())
    files.append(folder / "confusion_matrix.csv")
    rows = ([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    write_atomically(files[-1], csv_text([["true class", *names], *rows]).encode())
    return files


def picture(matrix: Tensor, names: Sequence[str]) -> Figure:
    """The matrix with the count in each cell, coloured by its share of the row (on the diagonal: the recall)."""
    matrix = matrix.cpu()
    shares = matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    figure = Figure(figsize=[3 + 0.7 * len(names)] * 2, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for (row, column), share in np.ndenumerate(shares.numpy()):
        ink = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{int(matrix[row, column]):,}", color=ink, ha="center", va="center")
    return figure
