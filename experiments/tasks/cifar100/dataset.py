"""CIFAR-100 (Krizhevsky 2009): the whole set through torchvision, and the bundled sample of it."""

import contextlib
import hashlib
from pathlib import Path

import filelock
import numpy as np
import torch
from PIL import Image
from torchvision.datasets import CIFAR100
from torchvision.datasets.utils import check_integrity

from experiments.errors import BadInput
from experiments.tasks.cifar100.batches import LabelledImages
from experiments.tasks.downloads import connection_timeout
from experiments.tasks.fingerprint import fingerprint

CLASSES = 100
MEAN = (0.5071, 0.4866, 0.4409)
"""Per channel, of the 50,000 training images scaled to [0, 1]; a test measures it."""
STD = (0.2673, 0.2564, 0.2762)

SAMPLE_DIR = Path(__file__).parent / "sample"
SHEETS = {
    "train.webp": "eacc67490e87abe7c167f808ed3dbe2f5bf646ddcdcb8049e8bbf9f6806c6ddf",
    "test.webp": "452b2c84fa4fe1ff2964ae2ca91156e625684997777691633eb1fcea6d33fc64",
}
"""The sample's sheets and their SHA-256, as `scripts/make_cifar100_sample.py` prints them."""
TILE = 32
"""Height and width of an image, in pixels."""


def data_fingerprint(source: str) -> str:
    """The fingerprint of a source by the published checksums of its files, which reading them checks."""
    published = SHEETS if source == "sample" else dict(CIFAR100.train_list + CIFAR100.test_list)
    return fingerprint(text for file in published.items() for text in file)


def load(root: str, download: bool) -> tuple[LabelledImages, LabelledImages]:
    """The (50,000 training, 10,000 test) images under `root`, downloaded first if allowed and needed.

    Raises:
        BadInput: the set is missing and cannot be downloaded, or one of its files is damaged.
    """
    try:
        parts = _read(root)
    except RuntimeError:  # torchvision raises it for missing or damaged files
        parts = _mend(root, download)
    train, test = (
        LabelledImages(torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets))
        for part in parts
    )
    return train, test


def _read(root: str) -> list[CIFAR100]:
    return [CIFAR100(root, train=train) for train in (True, False)]


def _mend(root: str, download: bool) -> list[CIFAR100]:
    choices = "use the bundled sample with data=sample, or name a folder that holds cifar-100-python/ with data.root=…"
    reason = "data.download=false"
    if download:
        try:
            Path(root).mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(
                Path(root, ".cifar100.lock")
            ):  # of two concurrent first runs one downloads, one waits
                with contextlib.suppress(RuntimeError):
                    return _read(root)
                _refuse_damaged(root, choices)
                with connection_timeout():
                    CIFAR100(root, download=True)
            return _read(root)
        except (OSError, RuntimeError) as error:
            reason = f"it cannot be downloaded: {error}"
    _refuse_damaged(root, choices)
    raise BadInput(f"data.root={root}: CIFAR-100 is missing, and {reason}\n{choices}")


def _refuse_damaged(root: str, choices: str) -> None:
    checksums = dict(CIFAR100.train_list + CIFAR100.test_list)
    checksums[CIFAR100.meta["filename"]] = CIFAR100.meta["md5"]
    for name, md5 in checksums.items():
        file = Path(root, CIFAR100.base_folder, name)
        if file.exists() and not check_integrity(file, md5):
            raise BadInput(
                f"data.root={root}: {file} is damaged or partly unpacked (its MD5 is not that of the public file)\n"
                f"delete it and run again to download it, {choices}"
            )


def load_sample(folder: Path = SAMPLE_DIR) -> tuple[LabelledImages, LabelledImages]:
    """The bundled (5,000 training, 1,000 test) images.

    Each split is one lossless sheet of 32×32 tiles, one row per class in the order of the labels.

    Raises:
        BadInput: a sheet is missing or damaged.
    """
    train, test = (_from_sheet(folder / name) for name in SHEETS)
    return train, test


def _from_sheet(file: Path) -> LabelledImages:
    if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != SHEETS[file.name]:
        raise BadInput(f"data=sample: {file} is missing or damaged; restore it with: git checkout -- {file}")
    sheet = np.asarray(Image.open(file, formats=["WEBP"]).convert("RGB"))
    rows, columns = sheet.shape[0] // TILE, sheet.shape[1] // TILE
    tiles = sheet.reshape(rows, TILE, columns, TILE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, TILE, TILE)
    return LabelledImages(torch.from_numpy(tiles.copy()), torch.arange(CLASSES).repeat_interleave(columns))
