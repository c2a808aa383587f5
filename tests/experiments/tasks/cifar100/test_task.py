"""CIFAR-100: its metrics, its loss and its data."""

import pytest
import torch
from torch.nn import functional as F

from experiments.configuration.composition import compose
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.tasks.cifar100.task import CIFAR100


def task(*overrides):
    return CIFAR100(validate(compose(["task=cifar100", "data=sample", *overrides])[0]))


def test_metrics_are_shares_and_means_over_all_images_whatever_their_batches():
    cifar100 = task("task.label_smoothing=0.1")
    # The true class is guessed 1st, 2nd, 5th, 6th and 1st.
    places, classes = [1, 2, 5, 6, 1], 100
    labels = torch.tensor([7, 99, 0, 50, 3])
    logits = torch.zeros(5, classes)
    for image, (place, label) in enumerate(zip(places, labels.tolist(), strict=True)):
        others = [other for other in range(classes) if other != label]
        logits[image, [*others[: place - 1], label]] = torch.arange(2.0 * place, 0, -2)
    metrics = cifar100.evaluate(torch.nn.Identity(), [(logits[:3], labels[:3]), (logits[3:], labels[3:])])
    losses = [-row.double().log_softmax(0)[label].item() for row, label in zip(logits, labels, strict=True)]
    assert metrics == pytest.approx({"top1": 40.0, "top5": 80.0, "loss": sum(losses) / 5}, rel=1e-6)


def test_a_held_out_part_must_fit_the_classes(run):
    with pytest.raises(BadInput, match=r"data\.held_out=30 .* multiple of 20 "):
        run("data.held_out=30")


def test_the_loss_is_the_smoothed_cross_entropy_and_what_is_shown_the_share_of_hits():
    logits = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    labels = logits.argmax(1)
    labels[0] = (labels[0] + 1) % 100
    loss, shown, count = task("task.label_smoothing=0.2").loss(torch.nn.Identity(), (logits, labels))
    by_class = -logits.log_softmax(1)
    expected = 0.8 * F.nll_loss(-by_class, labels) + 0.2 * by_class.mean()
    torch.testing.assert_close(loss, expected)
    assert (shown["top1"].item(), count) == (75.0, 4)


def test_images_kept_aside_leave_the_training_set_for_an_evaluation_set(tiny_cifar100):
    held_out = task("data.held_out=20", "trainer.batch_size=20")
    splits = held_out.build_data(held_out.config, torch.device("cpu"))
    assert {name: sum(len(labels) for _, labels in part) for name, part in splits.evaluation.items()} == {
        "test": 40,
        "validation": 20,
    }
    assert len(splits.train) == 2
