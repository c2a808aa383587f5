"""When memory counts as grown."""

import pytest

from scripts.check_memory import growth, in_use, leaks


def readings(allocated, objects):
    return [{"allocated": each, "objects": count} for each, count in zip(allocated, objects, strict=True)]


@pytest.mark.parametrize("grows", ["allocated", "objects"])
def test_what_grows_after_the_third_run_is_a_leak(grows):
    steady, rising = [100.0, 300.0, 400.0, *[400.0] * 47], [100.0, 300.0, 400.0, *(400.0 + run for run in range(47))]
    assert not leaks(readings(steady, steady))
    assert leaks(readings(**{"allocated": steady, "objects": steady, grows: rising}))
    assert growth(readings(rising, steady)) == {"allocated": pytest.approx(0.115), "objects": 0.0}


@pytest.mark.slow
def test_memory_and_objects_that_are_kept_are_in_use():
    before = in_use()
    # of 64 MiB on, the C library asks the kernel for each block and counts it apart
    kept = [bytearray(2**20) for _ in range(8)], bytearray(64 * 2**20), [[] for _ in range(1000)]
    after = in_use()
    assert 72 <= after["allocated"] - before["allocated"] < 73
    assert 1000 <= after["objects"] - before["objects"] < 1100
    assert after["resident"] > after["allocated"] > 0
    del kept
