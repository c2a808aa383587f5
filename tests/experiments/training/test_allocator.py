"""Freed memory stays with the process where the C library can do that."""

import subprocess
import sys

import pytest

COUNT_PAGE_FAULTS = """
import resource, torch
from experiments.training.allocator import keep_freed_memory
kept = keep_freed_memory()
def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(kept, [page_faults() for _ in range(40)][-1])
"""


def test_large_blocks_are_soon_used_again_without_the_kernel_clearing_them():
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    kept, page_faults = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if kept == "False":
        pytest.skip("the C library is not glibc")
    assert int(page_faults) < 100
