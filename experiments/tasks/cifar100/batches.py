"""Labelled images kept on the device as uint8, and their batches, augmented there by batched tensor code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from experiments.distributed.sharding import WHOLE, Shard
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


class Moves(NamedTuple):
    """How each of N images is cropped, mirrored and then rotated.

    Args:
        shift: int64 2×N, rows and columns by which the crop is moved against the image.
        mirrored: bool N, left and right.
        degrees: float32 N, counter-clockwise about the centre, nearest pixel; None: no rotation.
    """

    shift: Tensor
    mirrored: Tensor
    degrees: Tensor | None

    def of(self, images: slice) -> "Moves":
        """The moves of some of the images."""
        degrees = None if self.degrees is None else self.degrees[images]
        return Moves(self.shift[:, images], self.mirrored[images], degrees)


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

    def draw(self, count: int, draw: torch.Generator) -> Moves:
        """Moves for `count` images, on the device of `draw`."""
        device = draw.device
        shift = torch.randint(-self.crop_padding, self.crop_padding + 1, (2, count), generator=draw, device=device)
        mirrored = torch.rand(count, generator=draw, device=device) < (0.5 if self.flip else 0.0)
        degrees = (torch.rand(count, generator=draw, device=device) * 2 - 1) * self.rotation_degrees
        return Moves(shift, mirrored, degrees if self.rotation_degrees else None)


class PixelTable:
    """Images with the channels of a pixel side by side, so that moving a pixel is one copy.

    Args:
        images: uint8 N×C×H×W.
    """

    def __init__(self, images: Tensor):
        count, channels, self.height, self.width = images.shape
        self._outside = count * self.height * self.width
        self._place_dtype = torch.int32 if 3 * self._outside < 2**31 else torch.int64  # sums of three are clamped
        self._pixels = images.new_zeros(self._outside + 1, channels)  # the last one is the outside of an image
        self.images = self._pixels[:-1].view(count, self.height, self.width, channels)
        self.images.copy_(images.permute(0, 2, 3, 1))

    def moved(self, chosen: Tensor, moves: Moves) -> Tensor:
        """The images `chosen` (int64 N), moved: uint8 N×H×W×C, zero where a pixel comes from outside."""
        count, height, width = len(chosen), self.height, self.width
        border = 0 if moves.degrees is None else 1  # the outside, as a source for rotations
        rows, columns = (torch.arange(-border, size + border, device=chosen.device) for size in (height, width))
        columns = torch.where(moves.mirrored.view(-1, 1), width - 1 - columns, columns)
        row_starts = self._cropped(rows, moves.shift[0], height, width) + (chosen * (height * width)).view(-1, 1)
        columns = self._cropped(columns, moves.shift[1], width, 1)
        places = row_starts.to(self._place_dtype).unsqueeze(2) + columns.to(self._place_dtype).unsqueeze(1)
        places = places.flatten()
        if moves.degrees is not None:
            places = places.index_select(0, self._rotated(moves.degrees))
        return self._pixels.index_select(0, places.clamp_(max=self._outside)).view(count, height, width, -1)

    def _cropped(self, line: Tensor, shift: Tensor, length: int, step: int) -> Tensor:
        """Where each row or column of `line` begins, in pixels; `_outside` if it is not in the image."""
        source = line + shift.view(-1, 1)
        inside = (line >= 0) & (line < length) & (source >= 0) & (source < length)
        return torch.where(inside, source * step, self._outside)

    def _rotated(self, degrees: Tensor) -> Tensor:
        """For each pixel of N images its source in N images with a border of one pixel, N·H·W places."""
        radians = torch.deg2rad(degrees).view(-1, 1, 1)
        cos, sin = torch.cos(radians), torch.sin(radians)
        y = (torch.arange(self.height, device=degrees.device) - (self.height - 1) / 2).view(1, -1, 1)
        x = (torch.arange(self.width, device=degrees.device) - (self.width - 1) / 2).view(1, 1, -1)
        column = (cos * x - sin * y).add_((self.width - 1) / 2).round_().clamp_(-1, self.width)
        row = (sin * x + cos * y).add_((self.height - 1) / 2).round_().clamp_(-1, self.height)
        size = (self.height + 2) * (self.width + 2)
        first = torch.arange(len(degrees), device=degrees.device, dtype=torch.int32) * size + (self.width + 3)
        return (column.add_(row, alpha=self.width + 2).int() + first.view(-1, 1, 1)).flatten()


class ImageBatches:
    """Batches of labelled images; for training in a random order and augmented, otherwise in order and unchanged.

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
        self.labels = data.labels
        self.pixels = PixelTable(data.images)
        self.batch_size = batch_size
        width = self.pixels.width
        # A row of pixels is one vector, so that the arithmetic runs over more than its three channels at a time.
        self.mean, self.std = (torch.tensor(values * width, device=data.labels.device) * 255 for values in (mean, std))
        self.channels_last = channels_last
        self.augmentation = augmentation

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Every image once, in order, not augmented."""
        for start in range(0, len(self.labels), self.batch_size):
            stop = start + self.batch_size
            yield self._normalised(self.pixels.images[start:stop]), self.labels[start:stop]

    @property
    def smallest(self) -> int:
        return len(self.labels) % self.batch_size or self.batch_size

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        """The training batches of one epoch from batch `start` on: a function only of (seed, epoch, step)."""
        device = self.labels.device
        order = torch.randperm(len(self.labels), generator=generator("cpu", seed, epoch, "order")).to(device)
        for step in range(start, len(self)):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            own = shard.of(len(batch))
            chosen = batch[own]
            if self.augmentation:
                moves = self.augmentation.draw(len(batch), generator(device, seed, epoch, step, "augmentation"))
                images = self.pixels.moved(chosen, moves.of(own))
            else:
                images = self.pixels.images[chosen]
            yield self._normalised(images), self.labels[chosen]

    def _normalised(self, images: Tensor) -> Tensor:
        """Float32 N×C×H×W of uint8 N×H×W×C."""
        rows = images.flatten(2).float().sub_(self.mean).div_(self.std)
        normalised = rows.view(images.shape).permute(0, 3, 1, 2)
        return normalised if self.channels_last else normalised.contiguous()
