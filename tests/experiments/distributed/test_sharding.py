"""The shards of a batch."""

import pytest

from experiments.distributed.sharding import WHOLE, Shard


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("examples", [0, 1, 7, 8, 101])
def test_shards_hold_each_example_once_in_order(examples, count):
    batch = list(range(examples))
    assert [each for index in range(count) for each in batch[Shard(index, count).of(examples)]] == batch


@pytest.mark.parametrize("count", [2, 3, 8])
@pytest.mark.parametrize("examples", [8, 9, 101])
def test_sizes_differ_by_one_at_most(examples, count):
    sizes = [len(range(examples)[Shard(index, count).of(examples)]) for index in range(count)]
    assert max(sizes) - min(sizes) <= 1


def test_a_single_process_has_the_whole_batch():
    assert list(range(5))[WHOLE.of(5)] == list(range(5))
