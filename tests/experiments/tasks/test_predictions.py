"""Results of single examples: class, correctness, and the order of the data."""

import numpy as np
import torch

from experiments.tasks.predictions import classified, in_data_order

BATCHES = [(torch.tensor([2, 0]), torch.tensor([2, 1])), (torch.tensor([1]), torch.tensor([1]))]


def test_each_example_has_its_predicted_class_and_whether_it_is_right():
    found = classified(BATCHES, lambda batch: batch, classes=3)
    assert found["predicted"].tolist() == [2, 0, 1] and found["predicted"].dtype == np.int16
    assert found["correct"].tolist() == [True, False, True]


def test_examples_come_back_in_the_order_of_the_data():
    found = classified(BATCHES, lambda batch: batch, classes=3, places=np.array([1, 2, 0]))
    assert found["predicted"].tolist() == [1, 2, 0]
    assert in_data_order(np.array([0.1, 0.2]), None).tolist() == [0.1, 0.2]


def test_many_classes_take_a_wider_type():
    assert classified(BATCHES, lambda batch: batch, classes=2**15)["predicted"].dtype == np.int32
