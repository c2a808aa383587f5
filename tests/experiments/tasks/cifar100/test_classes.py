"""The names of the classes, in the order of the labels."""

import pickle

import pytest

from experiments.tasks.cifar100.classes import NAMES


def test_there_are_a_hundred_in_alphabetical_order():
    assert len(set(NAMES)) == 100
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.slow
def test_they_are_those_of_the_public_set(cifar100_root):
    meta = pickle.loads((cifar100_root / "cifar-100-python" / "meta").read_bytes())
    assert list(NAMES) == meta["fine_label_names"]
