"""Labelled images that live on the device as uint8, and batches of them, augmented there by batched tensor code."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from experiments.data.sharding import WHOLE, Shard
from experiments.randomness import generator

Batch = tuple[Tensor, Tensor]
"""(images, labels): float32 N×C×H×W normalised, int64 N."""


@dataclass(frozen=True)
class LabelledImages:
    """Images uint8 N×C×H×W and labels int64 N, on one device."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "LabelledImages":
        return LabelledImages(self.images.to(device), self.labels.to(device))

    def split(self, held_out: int) -> tuple["LabelledImages", "LabelledImages"]:
        """(the rest, `held_out` images), the same number of each class; the same split for every seed.

        Raises:
            ValueError: `held_out` is not a multiple of the number of classes, or leaves a class empty.
        """
        classes, counts = self.labels.unique(return_counts=True)
        per_class, remainder = divmod(held_out, len(classes))
        if remainder or per_class >= int(counts.min()):
            raise ValueError(
                f"a multiple of {len(classes)} (the number of classes) below {len(classes) * int(counts.min())}"
            )
        order = torch.randperm(len(self), generator=generator("cpu", "held-out split"))
        by_class = order[self.labels[order].argsort(stable=True)]
        starts = counts.cumsum(0) - counts
        held = torch.cat([by_class[start : start + per_class] for start in starts.tolist()])
        keep = torch.ones(len(self), dtype=torch.bool)
        keep[held] = False
        return self[keep], self[held]

    def __getitem__(self, index: Tensor) -> "LabelledImages":
        return LabelledImages(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Augmentation:
    """Random crop from a zero-padded image, mirroring and rotation, in this order, one draw per image.

    Args:
        crop_padding: pixels added on each side before the crop back to the image's size; 0: no crop.
        flip: mirror left and right with probability ½.
        rotation_degrees: rotation about the centre by a uniform angle in ± this, nearest pixel,
            zeros outside; 0: none.

    The three are exact pixel moves, done together as one gather; they equal torchvision's
    RandomCrop(padding), RandomHorizontalFlip and RandomRotation for the same draws.
    """

    crop_padding: int
    flip: bool
    rotation_degrees: float

    def __call__(self, images: Tensor, draw: torch.Generator, count: int | None = None, shard: Shard = WHOLE) -> Tensor:
        """`images` (uint8 N×C×H×W) moved by numbers from `draw`, which lives on their device.

        Where they are but the `shard` of a batch of `count` images, they move as they do in that batch.
        """
        count, device = count or len(images), images.device
        shift = torch.randint(-self.crop_padding, self.crop_padding + 1, (2, count), generator=draw, device=device)
        mirrored = torch.rand(count, generator=draw, device=device) < (0.5 if self.flip else 0.0)
        angles = (torch.rand(count, generator=draw, device=device) * 2 - 1) * self.rotation_degrees
        own = shard.of(count)
        return move_pixels(images, shift[:, own], mirrored[own], angles[own] if self.rotation_degrees else None)


def move_pixels(images: Tensor, shift: Tensor, mirrored: Tensor, angles: Tensor | None = None) -> Tensor:
    """Crops at an offset, mirrors, then rotates each image.

    Args:
        images: N×C×H×W, any dtype.
        shift: int64 2×N, rows and columns by which the crop is moved against the image.
        mirrored: bool N.
        angles: degrees N, counter-clockwise, or None.

    Returns:
        A new tensor like `images`, zero where a pixel comes from outside.
    """
    count, channels, height, width = images.shape
    row = torch.arange(height, device=images.device).view(1, -1, 1)
    column = torch.arange(width, device=images.device).view(1, 1, -1)
    inside = None
    if angles is not None:
        radians = torch.deg2rad(angles).view(-1, 1, 1)
        y, x = row - (height - 1) / 2, column - (width - 1) / 2
        cos, sin = torch.cos(radians), torch.sin(radians)
        column = torch.round(cos * x - sin * y + (width - 1) / 2).long()
        row = torch.round(sin * x + cos * y + (height - 1) / 2).long()
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    column = torch.where(mirrored.view(-1, 1, 1), width - 1 - column, column)
    row, column = row + shift[0].view(-1, 1, 1), column + shift[1].view(-1, 1, 1)
    within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    inside = within if inside is None else inside & within
    source = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).view(count, 1, -1)
    moved = images.flatten(2).gather(2, source.expand(-1, channels, -1)).view_as(images)
    return moved * inside.view(count, 1, height, width)


class ImageBatches:
    """Batches of labelled images; for training in a random order and augmented, otherwise in order as they are.

    Args:
        data: the images, on the device.
        batch_size: images a batch; the last batch of an epoch may be smaller.
        mean, std: per channel, of pixel values scaled to [0, 1].
        channels_last: memory layout of the batches.
        augmentation: for training.
    """

    def __init__(
        self,
        data: LabelledImages,
        batch_size: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        channels_last: bool,
        augmentation: Augmentation | None = None,
    ):
        self.data = data
        self.batch_size = batch_size
        device = data.images.device
        self.mean = torch.tensor(mean, device=device).view(1, -1, 1, 1) * 255
        self.std = torch.tensor(std, device=device).view(1, -1, 1, 1) * 255
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.augmentation = augmentation

    def __len__(self) -> int:
        return -(-len(self.data) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Every image once, in order, not augmented."""
        for start in range(0, len(self.data), self.batch_size):
            stop = start + self.batch_size
            yield self._normalised(self.data.images[start:stop]), self.data.labels[start:stop]

    @property
    def smallest(self) -> int:
        return len(self.data) % self.batch_size or self.batch_size

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        """The training batches of one epoch from batch `start` on: a function of (seed, epoch, step) alone."""
        device = self.data.images.device
        order = torch.randperm(len(self.data), generator=generator("cpu", seed, epoch, "order")).to(device)
        for step in range(start, len(self)):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            chosen = self.data[batch[shard.of(len(batch))]]
            images = chosen.images
            if self.augmentation:
                draw = generator(device, seed, epoch, step, "augmentation")
                images = self.augmentation(images, draw, len(batch), shard)
            yield self._normalised(images), chosen.labels

    def _normalised(self, images: Tensor) -> Tensor:
        return images.to(memory_format=self.memory_format).float().sub_(self.mean).div_(self.std)
