"""Texts as token ids in memory-mapped arrays, and batches of similar length with a fixed budget of tokens."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers
import torch
from torch import Tensor

from experiments.distributed.sharding import WHOLE, Shard
from experiments.randomness import generator
from experiments.tasks.text.cache import cached_folder, content_key
from experiments.tasks.text.labelled_texts import LabelledTexts
from experiments.tasks.text.tokenizer import TextTokenizer

LENGTH_MULTIPLE = 8
"""Batches are padded to a multiple of so many tokens: few different shapes, and sizes that suit tensor cores."""

_CHUNK = 10_000
"""Texts tokenised at a time."""


class TextBatch(NamedTuple):
    """N texts, or pairs, as rows of L tokens.

    Args:
        tokens: int64 N×L, token ids.
        segments: int64 N×L, 0 for tokens of the first text and 1 for those of the second.
        mask: bool N×L, False for padding.
        labels: int64 N.
    """

    tokens: Tensor
    segments: Tensor
    mask: Tensor
    labels: Tensor


class TokenArrays:
    """The token ids of one part of a data set, mapped from disk, and its labels.

    Args:
        folder: holds tokens.npy and segments.npy (all texts one after the other), offsets.npy (where
            each begins, and the end) and truncated.json.
        labels: int64 N.
    """

    def __init__(self, folder: Path, labels: np.ndarray):
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.segments = np.load(folder / "segments.npy", mmap_mode="r")
        self.offsets = np.load(folder / "offsets.npy")
        self.truncated: int = json.loads((folder / "truncated.json").read_text())
        self.labels = labels
        self.lengths = np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.labels)


def tokenise(data: LabelledTexts, tokenizer: TextTokenizer, max_length: int, cache: Path) -> TokenArrays:
    """The token ids of `data`, cached in `cache` by texts, tokenizer and length.

    Args:
        data: single texts or pairs.
        tokenizer: adds its special tokens.
        max_length: tokens a text (or pair) has at most, special ones included; a longer one is cut at
            its end (of a pair the longer text) and counted in `truncated`.
        cache: folder of such arrays.

    Raises:
        BadInput: `cache` cannot be written.
    """
    texts = (text for column in data.texts for text in column)
    settings = f"{tokenizers.__version__} {len(data.texts)} {max_length}"
    key = content_key(settings, tokenizer.backend.to_str(), *texts)
    folder = cached_folder(cache, f"tokens-{key}", lambda part: _write(part, data, tokenizer, max_length))
    return TokenArrays(folder, data.labels)


def _write(folder: Path, data: LabelledTexts, tokenizer: TextTokenizer, max_length: int) -> None:
    tokens, segments, lengths, truncated = [], [], [], 0
    tokenizer.backend.enable_truncation(max_length)
    rows = data.texts[0] if len(data.texts) == 1 else list(zip(*data.texts, strict=True))
    for start in range(0, len(rows), _CHUNK):
        for encoding in tokenizer.backend.encode_batch(rows[start : start + _CHUNK]):
            tokens.append(np.array(encoding.ids, dtype=np.int32))
            segments.append(_segments(encoding.sequence_ids))
            lengths.append(len(encoding.ids))
            truncated += bool(encoding.overflowing)
    np.save(folder / "tokens.npy", np.concatenate(tokens))
    np.save(folder / "segments.npy", np.concatenate(segments))
    np.save(folder / "offsets.npy", np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))
    (folder / "truncated.json").write_text(json.dumps(truncated))


def _segments(sequence_ids: list[int | None]) -> np.ndarray:
    """The text of each token; a special token belongs to the text before it."""
    segments, current = [], 0
    for sequence in sequence_ids:
        current = current if sequence is None else sequence
        segments.append(current)
    return np.array(segments, dtype=np.uint8)


def padded(length: int) -> int:
    """The length of a batch whose longest text has `length` tokens."""
    return -(-length // LENGTH_MULTIPLE) * LENGTH_MULTIPLE


class TextBatches:
    """Batches of texts of similar length, each padded to its own longest.

    The lengths in each batch depend only on the lengths of all texts, so that every epoch has the same
    number of batches. Texts of equal length, and the order of batches, are shuffled in each training epoch.

    Args:
        data: the texts.
        batch_size: texts a batch, at most.
        tokens_per_batch: tokens a batch, at most, padding included.
        padding_id: the padding token.
        device: the device of the batches.
    """

    def __init__(
        self, data: TokenArrays, batch_size: int, tokens_per_batch: int, padding_id: int, device: torch.device
    ):
        self.data = data
        self.batch_size = batch_size
        self.padding_id = padding_id
        self.device = device
        self.boundaries = _boundaries(np.sort(data.lengths), batch_size, tokens_per_batch)

    def __len__(self) -> int:
        return len(self.boundaries) - 1

    def __iter__(self) -> Iterator[TextBatch]:
        """Every text once, always in the same order.

        The first batch has medium length: activation statistics of the start are measured on it.
        """
        order = self._by_length
        for place in self._fixed_order:
            yield self._batch(order, place)

    @property
    def places(self) -> np.ndarray:
        """The place in the data of each text, in the order in which iteration yields them; int64 N."""
        by_length, bounds = self._by_length, self.boundaries
        return np.concatenate([by_length[bounds[place] : bounds[place + 1]] for place in self._fixed_order])

    @property
    def _by_length(self) -> np.ndarray:
        return np.argsort(self.data.lengths, kind="stable")

    @property
    def _fixed_order(self) -> list[int]:
        """The order of the batches of an evaluation, the first of medium length."""
        return [(place + len(self) // 2) % len(self) for place in range(len(self))]

    @property
    def smallest(self) -> int:
        return int(np.diff(self.boundaries).min())

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[TextBatch]:
        """The training batches of one epoch from batch `start` on: a function only of (seed, epoch, step)."""
        draw = torch.randperm(len(self.data), generator=generator("cpu", seed, epoch, "order")).numpy()
        order = draw[np.argsort(self.data.lengths[draw], kind="stable")]
        batches = torch.randperm(len(self), generator=generator("cpu", seed, epoch, "order of batches"))
        for place in batches[start:].tolist():
            yield self._batch(order, place, shard)

    def _batch(self, order: np.ndarray, place: int, shard: Shard = WHOLE) -> TextBatch:
        chosen = order[self.boundaries[place] : self.boundaries[place + 1]]
        chosen = chosen[shard.of(len(chosen))]
        return self.of_texts(chosen, padded(int(self.data.lengths[chosen].max())))

    def of_texts(self, chosen: np.ndarray, length: int) -> TextBatch:
        """The batch of the texts `chosen` (int64 N), padded to `length` tokens."""
        positions = np.arange(length)
        mask = positions < self.data.lengths[chosen][:, None]
        source = np.where(mask, self.data.offsets[chosen][:, None] + positions, 0)
        tokens = np.where(mask, self.data.tokens[source], self.padding_id).astype(np.int64)
        segments = np.where(mask, self.data.segments[source], 0).astype(np.int64)
        arrays = (tokens, segments, mask, self.data.labels[chosen])
        return TextBatch(*(torch.from_numpy(array).to(self.device) for array in arrays))


def _boundaries(rising_lengths: np.ndarray, batch_size: int, tokens_per_batch: int) -> list[int]:
    """The start of each batch among the texts sorted by length, and the end."""
    boundaries = [0]
    for place, length in enumerate(rising_lengths.tolist()):
        count = place - boundaries[-1]
        if count and (count == batch_size or (count + 1) * padded(length) > tokens_per_batch):
            boundaries.append(place)
    return [*boundaries, len(rising_lengths)]
