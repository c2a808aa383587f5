"""Times of interleaved calls, and their summary: median, quartiles, ratios within a round."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Spread:
    """The middle of repeated measurements: median and quartiles, and the least."""

    median: float
    low: float
    high: float
    least: float


def spread(values: Sequence[float]) -> Spread:
    """The `Spread` of one value or more."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Spread(median, low, high, min(values))


def ratios(values: Sequence[float], baseline: Sequence[float]) -> list[float]:
    """Each value over the baseline's of the same round, so that a slow moment of the machine cancels out."""
    return [value / base for value, base in zip(values, baseline, strict=True)]


def seconds_per_call(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """The mean time of `repeats` calls in a row; on CUDA between two events of the device, in seconds."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000 / repeats
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def interleaved(
    calls: Mapping[Hashable, Callable[[], object]], rounds: int, least_seconds: float, device: torch.device
) -> dict[Hashable, list[float]]:
    """Seconds per call of each of `calls`, once a round; each round goes through all of them in turn.

    Args:
        calls: by name.
        rounds: times that each is measured.
        least_seconds: a quick call is repeated for about this time.
        device: what the calls run on.
    """
    repeats = {}
    for name, call in calls.items():
        seconds_per_call(call, 1, device)  # warm-up: the first call may build a kernel
        repeats[name] = max(1, round(least_seconds / max(seconds_per_call(call, 1, device), 1e-9)))
    times: dict[Hashable, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # so that the caches hold its own data, not that of its predecessor
            times[name].append(seconds_per_call(call, repeats[name], device))
    return times
