"""Freed memory stays with the process where the C library can do that."""

import subprocess
import sys

import pytest
import torch

from experiments.errors import BadInput
from experiments.training.allocator import out_of_memory_explained

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


@pytest.mark.slow
def test_large_blocks_are_soon_used_again_without_the_kernel_clearing_them():
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    kept, page_faults = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if kept == "False":
        pytest.skip("the C library is not glibc")
    assert int(page_faults) < 100


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (lambda: torch.empty(10**15, dtype=torch.uint8), "it asked for 931,322.6 GiB at once"),
        (lambda: torch.empty(2**62, 2**62), "a size in it is larger than any memory"),
        (lambda: torch.empty(2**70), "a size in it is larger than any memory"),
        (lambda: [0] * 2**62, "a size in it is larger than any memory"),
    ],
)
def test_memory_that_there_is_not_is_answered_with_what_was_asked_for(make, answer):
    with pytest.raises(BadInput) as caught, out_of_memory_explained("model=x", "choose less"):
        make()
    assert str(caught.value) == f"model=x does not fit into memory: {answer}; choose less"


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), TypeError("no"), KeyError()]
)
def test_other_errors_are_left_alone(error):
    with pytest.raises(type(error)) as caught, out_of_memory_explained("model=x", "choose less"):
        raise error
    assert caught.value is error
