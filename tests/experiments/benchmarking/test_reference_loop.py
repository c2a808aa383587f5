"""The reference loops do the same work as the suite."""

import numpy as np
import pytest
import torch

from experiments.benchmarking.reference_loop import PaddedBatches, PilImages, train_reference_loop
from experiments.benchmarking.timed_run import TrainSteps
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.batches import ImageBatches
from experiments.tasks.text.batches import TextBatches


def test_images_from_pil_are_the_suites_where_nothing_is_moved(sample):
    _, test = sample
    still = {"crop_padding": 0, "flip": False, "rotation_degrees": 0.0}
    images_of_pil = PilImages(test, still)
    images, labels = next(iter(ImageBatches(test, 5, cifar100.MEAN, cifar100.STD, False)))
    for index in range(5):
        image, label = images_of_pil[index]
        torch.testing.assert_close(image, images[index])
        assert label == labels[index]


def test_the_reference_loop_answers_requests_until_none_comes(tiny_cifar100):
    requests, answers = iter([TrainSteps(1), TrainSteps(2)]), []

    def receive():
        for request in requests:
            return request
        raise EOFError

    overrides = ["task=cifar100", "data=sample", "recipe=small", "model.width=2", "trainer.batch_size=20"]
    with pytest.raises(EOFError):
        train_reference_loop(receive, answers.append, [*overrides, "trainer.device=cpu"], processes=0)
    assert [answer.items for answer in answers] == [20, 40]
    for answer in answers:
        assert sum(answer.phases.values()) == pytest.approx(answer.seconds, rel=0.05, abs=1e-3)


class Texts:
    """Ten texts of 1 to 10 tokens; each token is its text's number."""

    lengths = np.arange(1, 11)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = np.repeat(np.arange(10), lengths)
    segments = np.zeros_like(tokens)
    labels = np.arange(10)

    def __len__(self):
        return 10


def test_padded_batches_have_every_text_once_at_the_length_of_the_longest():
    padded = PaddedBatches(TextBatches(Texts(), 4, 1000, -1, torch.device("cpu")))
    batches = list(padded.epoch(0, 0))
    assert [tuple(batch.tokens.shape) for batch in batches] == [(4, 10), (4, 10), (2, 10)]
    assert (len(padded), padded.smallest) == (3, 2)
    assert sorted(label for batch in batches for label in batch.labels.tolist()) == list(range(10))
    for batch in batches:
        assert torch.equal(batch.mask.sum(1), batch.labels + 1)
        assert torch.equal(batch.tokens, torch.where(batch.mask, batch.labels.view(-1, 1), -1))
