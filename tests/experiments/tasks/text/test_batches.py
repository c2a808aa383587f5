"""Token ids on disk, and batches of similar length with a fixed budget."""

import numpy as np
import pytest
import torch

from experiments.distributed.sharding import Shard
from experiments.tasks.text import batches as tokens
from experiments.tasks.text.batches import TextBatches, padded, tokenise
from experiments.tasks.text.labelled_texts import LabelledTexts
from experiments.tasks.text.tokenizer import PADDING_ID, TextTokenizer, train_wordpiece

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
COUNT = 60
BUDGET, BATCH_SIZE = 160, 8


@pytest.fixture(scope="module")
def tokenizer():
    return TextTokenizer(train_wordpiece([" ".join(WORDS)] * 5, 200, True), 200, PADDING_ID)


@pytest.fixture
def texts():
    """Pairs whose first texts have 1 to 30 words; the label is the row."""
    draw = np.random.default_rng(0)
    first = [" ".join(draw.choice(WORDS, size=1 + row % 30)) for row in range(COUNT)]
    return LabelledTexts((first, [WORDS[row % 10] for row in range(COUNT)]), np.arange(COUNT))


@pytest.fixture
def arrays(texts, tokenizer, tmp_path):
    return tokenise(texts, tokenizer, 64, tmp_path)


@pytest.fixture
def batches(arrays):
    return TextBatches(arrays, BATCH_SIZE, BUDGET, PADDING_ID, torch.device("cpu"))


def test_the_arrays_hold_what_the_tokenizer_says(arrays, texts, tokenizer):
    assert isinstance(arrays.tokens, np.memmap)
    for row in (0, 17, COUNT - 1):
        encoded = tokenizer.backend.encode(texts.texts[0][row], texts.texts[1][row])
        part = slice(arrays.offsets[row], arrays.offsets[row + 1])
        assert arrays.tokens[part].tolist() == encoded.ids
        assert arrays.segments[part].tolist() == encoded.type_ids
    assert arrays.truncated == 0


def test_texts_are_tokenised_once(texts, tokenizer, tmp_path, monkeypatch):
    first = tokenise(texts, tokenizer, 64, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_write", lambda *_: pytest.fail("it is in the cache"))
        assert np.array_equal(tokenise(texts, tokenizer, 64, tmp_path).tokens, first.tokens)
    tokenise(texts, tokenizer, 32, tmp_path)
    assert len(list(tmp_path.glob("tokens-*"))) == 2


def test_half_written_arrays_are_made_again(texts, tokenizer, tmp_path):
    expected = np.array(tokenise(texts, tokenizer, 64, tmp_path).tokens)
    (file,) = tmp_path.glob("tokens-*/tokens.npy")
    file.write_bytes(file.read_bytes()[:200])
    assert np.array_equal(tokenise(texts, tokenizer, 64, tmp_path).tokens, expected)


def test_long_texts_are_cut_and_counted(texts, tokenizer, tmp_path):
    cut = tokenise(texts, tokenizer, 20, tmp_path)
    assert cut.lengths.max() == 20
    whole = np.diff(tokenise(texts, tokenizer, 64, tmp_path).offsets)
    assert cut.truncated == int((whole > 20).sum()) > 0
    assert cut.segments[cut.offsets[29] : cut.offsets[30]].tolist()[-2:] == [1, 1]  # the longer text was cut


def test_every_text_is_in_one_batch_of_an_epoch(batches):
    seen = torch.cat([batch.labels for batch in batches.epoch(0, 0)])
    assert sorted(seen.tolist()) == list(range(COUNT))
    assert sorted(torch.cat([batch.labels for batch in batches]).tolist()) == list(range(COUNT))


def test_the_places_are_those_of_the_texts_in_the_order_of_the_batches(batches):
    rows = torch.cat([batch.labels for batch in batches]).tolist()
    assert batches.places.tolist() == rows != sorted(rows)


def test_no_batch_is_over_its_budget_and_each_is_padded_to_its_own_longest(batches, arrays):
    for batch in [*batches.epoch(0, 0), *batches]:
        assert batch.tokens.numel() <= BUDGET
        assert len(batch.labels) <= BATCH_SIZE
        lengths = torch.from_numpy(arrays.lengths)[batch.labels]
        assert torch.equal(batch.mask.sum(1), lengths)
        assert batch.tokens.shape[1] == padded(int(lengths.max()))
        assert batch.tokens.shape[1] % 8 == 0
        assert (batch.tokens[~batch.mask] == PADDING_ID).all()
    assert any(len(batch.labels) == BATCH_SIZE for batch in batches)


def test_a_batch_holds_the_tokens_of_its_texts(batches, arrays):
    for batch in batches.epoch(1, 2):
        for row, label in enumerate(batch.labels.tolist()):
            part = slice(arrays.offsets[label], arrays.offsets[label + 1])
            length = int(batch.mask[row].sum())
            assert batch.tokens[row, :length].tolist() == arrays.tokens[part].tolist()
            assert batch.segments[row, :length].tolist() == arrays.segments[part].tolist()


def test_every_epoch_has_the_same_number_of_batches_and_another_order(batches):
    counters = ((0, 0), (0, 1), (1, 0))
    epochs = [[batch.labels.tolist() for batch in batches.epoch(*each)] for each in counters]
    assert [len(epoch) for epoch in epochs] == [len(batches)] * 3
    assert epochs[0] != epochs[1] != epochs[2]
    assert [sorted(batch) for batch in sorted(epochs[0])] != [sorted(batch) for batch in sorted(epochs[1])]


COUNTERS = [(0, 0), (0, 1), (1, 0)]
"""Seed and epoch: one, another epoch, another seed."""


def test_which_texts_share_a_batch_depends_on_seed_and_epoch(tokenizer, tmp_path):
    equally_long = LabelledTexts(([WORDS[row % 10] for row in range(COUNT)],), np.arange(COUNT))
    arrays = tokenise(equally_long, tokenizer, 64, tmp_path)
    batches = TextBatches(arrays, BATCH_SIZE, BUDGET, PADDING_ID, torch.device("cpu"))
    shared = [frozenset(frozenset(batch.labels.tolist()) for batch in batches.epoch(*each)) for each in COUNTERS]
    assert len(set(shared)) == 3


def test_the_order_of_batches_depends_on_seed_and_epoch(arrays):
    """With a text a batch, the texts in a batch cannot hide it."""
    single = TextBatches(arrays, 1, BUDGET, PADDING_ID, torch.device("cpu"))
    lengths = [[int(batch.mask.sum()) for batch in single.epoch(*each)] for each in COUNTERS]
    assert sorted(lengths[0]) == sorted(lengths[1]) == sorted(lengths[2])
    assert len(set(map(tuple, lengths))) == 3
    assert sorted(lengths[0]) not in lengths


def test_an_epoch_resumed_at_a_step_yields_the_remaining_batches(batches):
    whole, again, rest = list(batches.epoch(3, 5)), list(batches.epoch(3, 5)), list(batches.epoch(3, 5, start=4))
    for expected, same in (*zip(whole, again, strict=True), *zip(whole[4:], rest, strict=True)):
        assert all(torch.equal(one, other) for one, other in zip(expected, same, strict=True))


def test_the_shares_of_a_batch_are_the_batch_each_padded_to_its_own_longest(batches):
    shares = [list(batches.epoch(3, 5, shard=Shard(index, 2))) for index in range(2)]
    for step, whole in enumerate(batches.epoch(3, 5)):
        parts = [share[step] for share in shares]
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
        assert torch.equal(torch.cat([part.tokens[part.mask] for part in parts]), whole.tokens[whole.mask])
        assert all(part.tokens.shape[1] == padded(int(part.mask.sum(1).max())) for part in parts)


def test_the_smallest_batch_is_known(batches):
    assert batches.smallest == min(len(batch.labels) for batch in batches)


def test_evaluation_begins_with_a_batch_of_middling_length(batches, arrays):
    first = next(iter(batches))
    assert abs(int(first.mask.sum(1).max()) - np.median(arrays.lengths)) < 10
    assert torch.equal(next(iter(batches)).tokens, first.tokens)


def test_a_text_longer_than_the_budget_has_its_own_batch(arrays):
    few = TextBatches(arrays, BATCH_SIZE, 8, PADDING_ID, torch.device("cpu"))
    assert all(len(batch.labels) == 1 for batch in few)
    assert len(few) == COUNT
