"""Draws the bundled CIFAR-100 sample from the full set: the first images of each class.

python scripts/make_cifar100_sample.py ROOT

ROOT holds cifar-100-python/. Writes experiments/tasks/cifar100/sample/{train,test}.webp, lossless
sheets of 32×32 tiles with one row per class, and classes.txt with the name of each row.
"""

import argparse
import hashlib

import numpy as np
from PIL import Image
from torchvision.datasets import CIFAR100

from experiments.tasks.cifar100.dataset import CLASSES, SAMPLE_DIR, TILE

PER_CLASS = {"train": 50, "test": 10}


def sheet(images: np.ndarray, labels: np.ndarray, per_class: int) -> Image.Image:
    """The first `per_class` images of each class as rows of tiles."""
    first = np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(CLASSES)])
    tiles = images[first].reshape(CLASSES, per_class, TILE, TILE, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(tiles.reshape(CLASSES * TILE, per_class * TILE, 3))


def main() -> None:
    """Writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="ROOT", help="folder that holds cifar-100-python/")
    root = parser.parse_args().root
    SAMPLE_DIR.mkdir(exist_ok=True)
    for split, per_class in PER_CLASS.items():
        data = CIFAR100(root, train=split == "train")
        file = SAMPLE_DIR / f"{split}.webp"
        sheet(data.data, np.asarray(data.targets), per_class).save(file, lossless=True, quality=100, method=6)
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        print(f"{file}: {CLASSES} × {per_class} images, {file.stat().st_size / 2**20:.1f} MiB, SHA-256 {checksum}")
    (SAMPLE_DIR / "classes.txt").write_text("\n".join(data.classes) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
