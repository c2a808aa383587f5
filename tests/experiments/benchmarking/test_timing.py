"""Measurements in turn, and what is said of them."""

import pytest
import torch

from experiments.benchmarking.timing import Spread, interleaved, ratios, spread

CPU = torch.device("cpu")


def test_a_spread_is_the_median_the_quartiles_and_the_least():
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(median=3.0, low=2.0, high=4.0, least=1.0)


def test_one_value_is_its_own_spread():
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0, 7.0)


def test_a_slow_round_cancels_out_of_a_ratio():
    calm, slow = [2.0, 20.0, 2.0], [1.0, 10.0, 1.0]
    assert ratios(calm, slow) == [2.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="shorter"):
        ratios(calm, slow[:2])


def test_each_round_goes_through_all_calls_in_turn():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    times = interleaved(calls, rounds=4, least_seconds=0.0, device=CPU)
    assert {name: len(values) for name, values in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(value > 0 for values in times.values() for value in values)
    rounds = "".join(order[-24:])  # in each: once to warm the caches, once for the clock
    assert rounds == "aabbcc" * 4


def test_a_quick_call_is_repeated_and_its_time_is_that_of_one():
    calls = {"quick": lambda: torch.ones(1), "slow": lambda: [torch.ones(1) for _ in range(200)]}
    count = {"quick": 0}

    def counted():
        count["quick"] += 1
        return torch.ones(1)

    times = interleaved({**calls, "quick": counted}, rounds=2, least_seconds=0.01, device=CPU)
    assert count["quick"] > 50
    assert min(times["quick"]) < min(times["slow"])
