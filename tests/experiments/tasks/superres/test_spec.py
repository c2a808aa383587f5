"""What super-resolution tells of itself."""

import pytest
from pydantic import ValidationError

from experiments.errors import BadInput
from experiments.tasks.superres.spec import SPEC, ImageData


def test_the_headline_and_the_margin_of_practical_equivalence():
    assert (SPEC.headline, SPEC.margin) == ("psnr_y", 0.05)


def test_each_metric_has_its_unit_decimals_direction_and_best_possible_value():
    assert {
        name: (metric.unit, metric.decimals, metric.higher_is_better, metric.best_possible)
        for name, metric in SPEC.metrics.items()
    } == {
        "psnr_y": ("dB", 3, True, None),
        "psnr_rgb": ("dB", 3, True, None),
        "bicubic_psnr_y": ("dB", 3, True, None),
        "ssim_y": ("", 4, True, 1.0),
    }


def data(*test_sets, held_out=0):
    names = list(test_sets)
    return ImageData(name="images", source="folder", held_out=held_out, test_sets=names, test_root="data")


@pytest.mark.parametrize(("test_sets", "defined"), [((), False), (("set5",), False), (("set5", "validation"), True)])
@pytest.mark.parametrize("held_out", [0, 2])
def test_a_test_set_of_that_name_or_held_out_images_are_the_validation_set(test_sets, defined, held_out):
    if defined and held_out:
        with pytest.raises(BadInput, match=r"^data\.held_out=2 .*data\.test_sets"):
            data(*test_sets, held_out=held_out)
        return
    keys = {"data.test_sets": defined, "data.held_out": held_out > 0}
    assert data(*test_sets, held_out=held_out).validation_keys() == keys


@pytest.mark.parametrize("test_sets", [("test",), ("set5", "set5")])
def test_further_test_sets_differ_from_each_other_and_from_the_data_sets_own(test_sets):
    with pytest.raises(ValidationError, match="test_sets"):
        data(*test_sets)
