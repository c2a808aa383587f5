"""CIFAR-100 (Krizhevsky 2009): the whole set through torchvision, and the bundled sample of it."""

import socket
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.datasets import CIFAR100
from torchvision.datasets.utils import check_integrity

from experiments.data.images import LabelledImages
from experiments.errors import BadInput

CLASSES = 100
MEAN = (0.5071, 0.4866, 0.4409)
"""Per channel, of the 50,000 training images scaled to [0, 1]; a test measures it."""
STD = (0.2673, 0.2564, 0.2762)

SAMPLE_DIR = Path(__file__).parent / "cifar100_sample"
TILE = 32
"""Height and width of an image, in pixels."""

_CONNECTION_SECONDS = 20


def load(root: str, download: bool) -> tuple[LabelledImages, LabelledImages]:
    """The (50,000 training, 10,000 test) images under `root`, fetched first if allowed and needed.

    Raises:
        BadInput: the set is missing and cannot be fetched, or a file of it is damaged.
    """
    folder = Path(root) / CIFAR100.base_folder
    checksums = {name: md5 for name, md5 in CIFAR100.train_list + CIFAR100.test_list}
    checksums[CIFAR100.meta["filename"]] = CIFAR100.meta["md5"]
    there = {name: md5 for name, md5 in checksums.items() if (folder / name).exists()}
    damaged = [name for name, md5 in there.items() if not check_integrity(folder / name, md5)]
    if damaged:
        raise BadInput(
            f"data.root={root}: {folder / damaged[0]} is damaged (its MD5 is not that of the public file)\n"
            "delete it and run again to fetch it, or use the bundled sample: data=sample"
        )
    missing = [name for name in checksums if name not in there]
    if missing:
        _fetch(root, folder, missing, download)
    parts = (CIFAR100(root, train=train) for train in (True, False))
    train, test = (
        LabelledImages(torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))
        for part in parts
    )
    return train, test


def _fetch(root: str, folder: Path, missing: list[str], download: bool) -> None:
    reason = "data.download=false"
    if download:
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_CONNECTION_SECONDS)
        try:
            CIFAR100(root, download=True)
            return
        except (OSError, RuntimeError) as error:
            reason = f"the download failed: {error}"
        finally:
            socket.setdefaulttimeout(before)
    raise BadInput(
        f"data.root={root}: CIFAR-100 is not there ({folder / missing[0]} is missing) and {reason}\n"
        "use the bundled sample with data=sample, or name a folder that holds cifar-100-python/ with data.root=FOLDER"
    )


def load_sample(folder: Path = SAMPLE_DIR) -> tuple[LabelledImages, LabelledImages]:
    """The bundled (5,000 training, 1,000 test) images.

    Each split is one lossless sheet of 32×32 tiles, a row a class in the order of the labels.

    Raises:
        BadInput: a sheet is missing or damaged.
    """
    train, test = (_from_sheet(folder / f"{split}.webp") for split in ("train", "test"))
    return train, test


def _from_sheet(file: Path) -> LabelledImages:
    try:
        sheet = np.asarray(Image.open(file).convert("RGB"))
    except OSError as error:
        raise BadInput(f"data=sample: {file} cannot be read ({error}); restore it with git checkout") from error
    rows, columns = sheet.shape[0] // TILE, sheet.shape[1] // TILE
    if rows != CLASSES:
        raise BadInput(f"data=sample: {file} has {rows} rows instead of {CLASSES}; restore it with git checkout")
    tiles = sheet.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, TILE, TILE)
    return LabelledImages(torch.from_numpy(tiles.copy()), torch.arange(CLASSES).repeat_interleave(columns))
