"""The confusion matrix of a classifier: counting it, the scores that follow from it, and showing it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from experiments.files import write_atomically

LARGEST_PICTURE = 30
"""Classes up to which a picture can be read."""

_CELL, _MARGIN, _BORDER, _FONT_SIZE = 72, 150, 30, 14
"""Pixels; the margin, left and above, is for the names."""


def confusion_matrix(labels: Tensor, predictions: Tensor, classes: int) -> Tensor:
    """int64 classes×classes: how often the class of the row was taken for that of the column.

    Args:
        labels: int64 N, the true classes.
        predictions: int64 N.
        classes: their number.
    """
    return torch.bincount(labels * classes + predictions, minlength=classes**2).view(classes, classes)


def accuracy(matrix: Tensor) -> float:
    """Percent of all that were taken for what they are."""
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
        picture(matrix, names).save(content, "PNG")
        write_atomically(files[-1], content.getvalue())
    files.append(folder / "confusion_matrix.csv")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class", *names])
    writer.writerows([name, *row] for name, row in zip(names, matrix.tolist(), strict=True))
    write_atomically(files[-1], text.getvalue().encode())
    return files


def picture(matrix: Tensor, names: Sequence[str]) -> Image.Image:
    """The matrix as a grid, each cell with its count, and the darker the larger its share of its row."""
    side = _MARGIN + _CELL * len(names) + _BORDER
    image = Image.new("RGB", (side, side), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(_FONT_SIZE)
    draw.text((8, 8), "rows: true class\ncolumns: prediction", "gray", font)
    shares = matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    for row, name in enumerate(names):
        middle = _MARGIN + _CELL * row + _CELL // 2
        shown = name if len(name) <= 16 else name[:15] + "…"
        draw.text((_MARGIN - 8, middle), shown, "black", font, "rm")
        draw.text((middle, _MARGIN - 8 - (row % 2) * (_FONT_SIZE + 4)), shown, "black", font, "ms")
        for column in range(len(names)):
            share = float(shares[row, column])
            left, top = _MARGIN + _CELL * column, _MARGIN + _CELL * row
            shade = tuple(round(255 - share * (255 - dark)) for dark in (8, 48, 107))
            draw.rectangle((left, top, left + _CELL - 2, top + _CELL - 2), shade)
            ink = "white" if share > 0.5 else "black"
            draw.text((left + _CELL // 2, top + _CELL // 2), f"{int(matrix[row, column]):,}", ink, font, "mm")
    return image
