"""What CIFAR-100 tells of itself."""

import pytest
from pydantic import ValidationError

from experiments.tasks.cifar100.spec import IMAGE_SIDE, SPEC, AugmentationOptions, CIFAR100Data


def test_the_headline_and_the_margin_of_practical_equivalence():
    assert (SPEC.headline, SPEC.margin) == ("top1", 0.5)


def test_each_metric_has_its_unit_decimals_direction_and_best_possible_value():
    assert {
        name: (metric.unit, metric.decimals, metric.higher_is_better, metric.best_possible)
        for name, metric in SPEC.metrics.items()
    } == {
        "top1": ("%", 2, True, 100.0),
        "top5": ("%", 2, True, 100.0),
        "loss": ("", 4, False, 0.0),
    }


def test_guessing_one_of_a_hundred_classes_is_right_once_in_a_hundred():
    assert (SPEC.metrics["top1"].chance, SPEC.metrics["top5"].chance) == (1.0, 5.0)


@pytest.mark.parametrize("held_out", [0, 5000])
def test_images_kept_aside_are_the_validation_set(held_out):
    data = CIFAR100Data(name="cifar100", source="torchvision", root="data", held_out=held_out)
    assert data.validation_keys() == {"data.held_out": held_out > 0}


def test_a_crop_must_hold_a_part_of_the_image():
    AugmentationOptions(crop_padding=IMAGE_SIDE - 1, flip=True, rotation_degrees=0)
    with pytest.raises(ValidationError, match="crop_padding"):
        AugmentationOptions(crop_padding=IMAGE_SIDE, flip=True, rotation_degrees=0)


def test_a_benchmark_counts_the_images_of_a_batch():
    assert SPEC.benchmark.count(([[0.0], [1.0]], [3, 4])) == 2
