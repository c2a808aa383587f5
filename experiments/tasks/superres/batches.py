"""Pairs of low- and high-resolution images kept on the device as uint8, and their batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.distributed.sharding import WHOLE, Shard
from experiments.errors import BadInput
from experiments.randomness import generator
from experiments.tasks.image_files import image_files, read_images
from experiments.tasks.superres.resize import bicubic

Batch = tuple[Tensor, Tensor]
"""(low, high): uint8 RGB N×3×h×w and N×3×(scale h)×(scale w)."""


@dataclass(frozen=True)
class Source:
    """Where the images of one part of a data set are.

    Args:
        high: folder of the high-resolution images.
        key: the setting that names it, for messages.
        low: folder of the low-resolution images of the same names (or with "x<scale>" after the name,
            as in DIV2K); None: made from the others by `bicubic`.
        low_key: the setting that names it.
    """

    high: Path
    key: str
    low: Path | None = None
    low_key: str = ""


@dataclass(frozen=True)
class Pairs:
    """Images at both resolutions, one by one, since their sizes differ: uint8 3×h×w and 3×(scale h)×(scale w)."""

    low: list[Tensor]
    high: list[Tensor]

    def split(self, held_out: int) -> tuple["Pairs", "Pairs"]:
        """(the rest, `held_out` pairs drawn at random), both in their order; the same split for every seed.

        Raises:
            ValueError: nothing would be left to train on.
        """
        count = len(self.low)
        if held_out >= count:
            raise ValueError(f"a number below {count}, the training images")
        drawn = torch.randperm(count, generator=generator("cpu", "held-out split"))
        rest, chosen = sorted(drawn[held_out:].tolist()), sorted(drawn[:held_out].tolist())
        return self._of(rest), self._of(chosen)

    def _of(self, places: list[int]) -> "Pairs":
        return Pairs([self.low[i] for i in places], [self.high[i] for i in places])


def files_of(source: Source) -> list[tuple[str, list[Path]]]:
    """("high", its files) and, where low-resolution images are given, ("low", their files).

    Raises:
        BadInput: there is no such folder, or no file in it.
    """
    low = [("low", image_files(source.low, source.low_key))] if source.low else []
    return [("high", image_files(source.high, source.key)), *low]


def load_pairs(source: Source, scale: int, smallest: int, why: str, device: torch.device) -> Pairs:
    """The images of `source`, the large ones cropped to a multiple of `scale`, on `device`.

    Args:
        source: their folders.
        scale: upscaling factor.
        smallest: the least usable height and width of a high-resolution image, in pixels.
        why: what needs that, and how to change it, for messages.
        device: the device of the images.

    Raises:
        BadInput: an empty folder, a file that is not an 8-bit image or is too small, images that do
            not pair or whose sizes do not fit `scale`.
    """
    files = image_files(source.high, source.key)
    low_files = _counterparts(files, source, scale) if source.low else None
    high = []
    for file, image in zip(files, read_images(files), strict=True):
        height, width = image.shape[1:]
        if min(height, width) < smallest:
            raise BadInput(
                f"{file} is {width}×{height} pixels, and {why} needs at least {smallest}×{smallest}; "
                "remove it from the folder"
            )
        high.append(image[:, : height // scale * scale, : width // scale * scale].to(device))
    if low_files is None:
        return Pairs([bicubic(image, Fraction(1, scale)) for image in high], high)
    low = [image.to(device) for image in read_images(low_files)]
    for low_file, file, image, large in zip(low_files, files, low, high, strict=True):
        if [side * scale for side in image.shape[1:]] != list(large.shape[1:]):
            raise BadInput(
                f"{low_file} is {image.shape[2]}×{image.shape[1]} pixels, and {file} at task.scale={scale} needs "
                f"{large.shape[2] // scale}×{large.shape[1] // scale}; name the folder of this scale with "
                f"{source.low_key}=…, or leave {source.low_key} out to have the images made"
            )
    return Pairs(low, high)


def _counterparts(files: list[Path], source: Source, scale: int) -> list[Path]:
    """The low-resolution file of each of `files`, matched by name."""
    key = source.low_key
    by_stem = {file.stem: file for file in image_files(source.low, key)}
    found = []
    for file in files:
        names = (file.stem, f"{file.stem}x{scale}")
        match = next((by_stem.pop(name) for name in names if name in by_stem), None)
        if match is None:
            raise BadInput(
                f"{file} has no counterpart in {key}={source.low}; add {names[0]}{file.suffix} or "
                f"{names[1]}{file.suffix}, or leave {key} out to have the images made"
            )
        found.append(match)
    if by_stem:
        alone = next(iter(by_stem.values()))
        raise BadInput(
            f"{alone} has no counterpart of that name in {source.high}; remove it from {key}, or add the image"
        )
    return found


class EvaluationPairs:
    """All pairs once, in batches of images of one size.

    Args:
        pairs: the images.
        batch_size: images a batch at most.
    """

    def __init__(self, pairs: Pairs, batch_size: int):
        order = sorted(range(len(pairs.low)), key=lambda i: tuple(pairs.low[i].shape))  # stable: by name in a size
        self.places = np.array(order)
        """The place in the data of each pair, in the order in which iteration yields them; int64 N."""
        self.batches: list[Batch] = []
        for _, group in groupby(order, key=lambda i: pairs.low[i].shape):
            members = list(group)
            for start in range(0, len(members), batch_size):
                chosen = members[start : start + batch_size]
                low, high = (torch.stack([side[i] for i in chosen]) for side in (pairs.low, pairs.high))
                self.batches.append((low, high))

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


class PixelStore:
    """Images of different sizes in one buffer on the device, so that patches of many of them are one gather."""

    def __init__(self, images: list[Tensor]):
        self.pixels = torch.cat([image.flatten() for image in images])
        device = self.pixels.device
        heights, widths = torch.tensor([image.shape[1:] for image in images]).T
        sizes = 3 * heights * widths
        self.starts = (sizes.cumsum(0) - sizes).to(device)
        self.heights, self.widths = heights.to(device), widths.to(device)

    def __len__(self) -> int:
        return len(self.starts)

    def gather(self, chosen: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Pixels of chosen images.

        Args:
            chosen: int64 N, which image.
            rows: int64 N×P×Q, which row of it.
            columns: int64 N×P×Q, which column.

        Returns:
            uint8 N×3×P×Q.
        """
        starts, heights, widths = (each[chosen].view(-1, 1, 1, 1) for each in (self.starts, self.heights, self.widths))
        channel = torch.arange(3, device=rows.device).view(1, 3, 1, 1)
        return self.pixels[starts + (channel * heights + rows.unsqueeze(1)) * widths + columns.unsqueeze(1)]


def patch_symmetries(size: int) -> Tensor:
    """Where each pixel of a turned and mirrored square patch comes from.

    Returns:
        int64 8×2×size×size: symmetry, (row, column), place in the new patch. Symmetry k turns by
        k quarter turns counter-clockwise; symmetry 4 + k mirrors left and right first.
    """
    place = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    return torch.stack([torch.rot90(start, k, (1, 2)) for start in (place, place.flip(2)) for k in range(4)])


@dataclass(frozen=True)
class PatchAugmentation:
    """Random symmetries of patches, each with equal probability.

    Args:
        flip: mirror left and right.
        quarter_turns: turn by 0°, 90°, 180° or 270°.
    """

    flip: bool
    quarter_turns: bool

    def draw(self, count: int, draw: torch.Generator) -> Tensor:
        """Symmetries, int64 `count`, for `patch_symmetries`."""
        device = draw.device
        turns = torch.randint(4 if self.quarter_turns else 1, (count,), generator=draw, device=device)
        return turns + 4 * torch.randint(2 if self.flip else 1, (count,), generator=draw, device=device)


class TrainingPatches:
    """Batches of random patches, each a function of (seed, epoch, step).

    Each patch is drawn from an image chosen uniformly with replacement, at a uniform place in it.

    Args:
        pairs: the images, on the device; each at least `patch` low-resolution pixels high and wide.
        scale: upscaling factor.
        patch: side of a patch in low-resolution pixels.
        batch_size: patches a batch.
        steps: batches an epoch.
        augmentation: of the patches.
    """

    def __init__(
        self, pairs: Pairs, scale: int, patch: int, batch_size: int, steps: int, augmentation: PatchAugmentation
    ):
        self.low, self.high = PixelStore(pairs.low), PixelStore(pairs.high)
        self.scale, self.patch, self.batch_size, self.steps = scale, patch, batch_size, steps
        self.augmentation = augmentation
        device = self.low.pixels.device
        self.low_places = patch_symmetries(patch).to(device)
        self.high_places = patch_symmetries(patch * scale).to(device)

    def __len__(self) -> int:
        return self.steps

    @property
    def smallest(self) -> int:
        return self.batch_size

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[Batch]:
        """The batches of one epoch from batch `start` on."""
        for step in range(start, self.steps):
            yield self._batch(generator(self.low.pixels.device, seed, epoch, step, "patches"), shard)

    def _batch(self, draw: torch.Generator, shard: Shard) -> Batch:
        count, device = self.batch_size, draw.device
        chosen = torch.randint(len(self.low), (count,), generator=draw, device=device)
        room = torch.stack([self.low.heights, self.low.widths])[:, chosen] - self.patch + 1
        # float64: in float32 the largest number below 1, times the range, can round up to the range.
        corner = torch.rand(2, count, generator=draw, device=device, dtype=torch.float64).mul(room).long()
        symmetry = self.augmentation.draw(count, draw)
        own = shard.of(count)
        chosen, corner, symmetry = chosen[own], corner.T[own].reshape(-1, 2, 1, 1), symmetry[own]
        low_rows, low_columns = (self.low_places[symmetry] + corner).unbind(1)
        high_rows, high_columns = (self.high_places[symmetry] + corner * self.scale).unbind(1)
        low = self.low.gather(chosen, low_rows, low_columns)
        return low, self.high.gather(chosen, high_rows, high_columns)
