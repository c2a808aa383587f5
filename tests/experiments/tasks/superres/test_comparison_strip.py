"""The comparison strip: what is where in the picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.tasks.superres.comparison_strip import (
    CAPTION,
    COLUMN,
    FRAME,
    GAP,
    columns_of,
    comparison_strip,
    most_telling_crop,
)


@pytest.fixture
def reference():
    return torch.randint(60, 200, (3, 80, 120), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_crop_is_where_the_image_is_worst(reference):
    image = reference.clone()
    image[:, 10:70, 50:110] += 40
    assert most_telling_crop(image, reference) == (10, 50, 60)


def test_the_crop_of_a_small_image_is_all_that_fits():
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    assert most_telling_crop(image, image)[2] == 20


def test_each_column_shows_its_image_and_its_framed_part_enlarged(reference):
    versions = {"darker": reference - 40, "equal": reference.clone()}
    strip = comparison_strip(versions, reference, framed=(10, 50, 60), border=2)
    pixels = np.asarray(strip)
    shown_height = round(COLUMN * 80 / 120)
    assert strip.size == (3 * (COLUMN + GAP) + GAP, GAP + shown_height + 2 * CAPTION + COLUMN)
    for column, image in enumerate((*versions.values(), reference)):
        x = GAP + column * (COLUMN + GAP)
        assert pixels[GAP + 2, x + 2].tolist() == image[:, 0, 0].tolist()
        assert pixels[GAP + 10 * 4, x + 100 * 4].tolist() == list(FRAME)  # the frame's upper edge; zoom is 4
        crop_top = GAP + shown_height + CAPTION
        assert pixels[crop_top + 4, x + 4].tolist() == image[:, 10, 50].tolist()
        assert pixels[crop_top + COLUMN - 4, x + COLUMN - 4].tolist() == image[:, 69, 109].tolist()
        for caption_top in (crop_top - CAPTION, crop_top + COLUMN):
            caption = pixels[caption_top : caption_top + CAPTION, x : x + COLUMN]
            assert caption.min() < 50 and caption.max() == 255


def test_the_captions_hold_the_psnr_of_the_whole_and_of_the_framed_part(reference, monkeypatch):
    written = []
    monkeypatch.setattr(
        "experiments.tasks.superres.comparison_strip._write", lambda strip, centre, text: written.append(text)
    )
    image = reference.clone()
    image[:, 10:70, 50:110] += 20  # luma differs by 20 · 219/255 there: 10 log₁₀(255² / 17.18²) = 23.43 dB
    comparison_strip({"output": image}, reference, framed=(10, 50, 60), border=0)
    assert written == ["output: 27.69 dB", "framed part: 23.43 dB", "original", "framed part"]


def test_a_strip_is_cut_into_its_columns_again(reference):
    versions = {"darker": reference - 40, "equal": reference.clone()}
    columns = columns_of(comparison_strip(versions, reference, framed=(10, 50, 60), border=2))
    assert len(columns) == 3
    for column, image in zip(columns, (*versions.values(), reference), strict=True):
        assert column.whole.size == (COLUMN, round(COLUMN * 80 / 120))
        assert list(column.whole.getpixel((2, 2))) == image[:, 0, 0].tolist()
        assert list(column.part.getpixel((4, 4))) == image[:, 10, 50].tolist()
        assert column.caption.size == column.part_caption.size == (COLUMN, CAPTION)


@pytest.mark.parametrize("size", [(640, 480), (3 * (COLUMN + GAP) + GAP, 2 * CAPTION + COLUMN)])
def test_a_picture_that_is_no_strip_has_no_columns(size):
    assert columns_of(Image.new("RGB", size)) == []
