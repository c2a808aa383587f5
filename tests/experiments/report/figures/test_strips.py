"""Photographs of one test image, cut alike or one below the other."""

import io

from PIL import Image

from tests.experiments.ledgers import grid
from tests.experiments.simulated import by_name, drawn, write_picture


def test_pictures_that_are_cut_alike_make_one_sheet(figures):
    strip = by_name(figures)["superres_small_strips"]
    assert "original, bicubic, ReLU, CAReLU, PReLU; seed 0" in strip.caption
    with Image.open(io.BytesIO(strip.png)) as sheet:
        assert sheet.width == (3 * 492 + 12) // 2  # three columns at half size


def test_pictures_of_different_images_are_shown_one_below_the_other(tmp_path):
    rows = grid(("relu", "gelu"), (0,), ("superres",))
    write_picture(tmp_path, rows[0])
    write_picture(tmp_path, rows[1], size=(40, 48))
    strip = drawn(tmp_path / "ledger.csv", rows)["superres_small_strips"]
    assert "Each run's own picture" in strip.caption
    with Image.open(io.BytesIO(strip.png)) as sheet:
        assert sheet.height > sheet.width


def test_photographs_are_png_alone(figures):
    strip = by_name(figures)["superres_small_strips"]
    assert [suffix for suffix, _ in strip.files()] == ["png"]
