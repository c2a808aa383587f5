"""Luma, PSNR and SSIM against values computed by hand."""

import math

import pytest
import torch

from experiments.tasks.superres.image_quality import (
    EQUAL_IMAGES_DB,
    luma,
    peak_signal_noise_ratio,
    shaved,
    structural_similarity,
)


def colour(red, green, blue):
    return torch.tensor([red, green, blue], dtype=torch.uint8).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [((0, 0, 0), 16), ((255, 255, 255), 235), ((255, 0, 0), 81.481), ((0, 255, 0), 144.553), ((0, 0, 255), 40.966)],
)
def test_luma_is_that_of_studio_swing(rgb, expected):
    assert luma(colour(*rgb)).item() == pytest.approx(expected, abs=1e-9)


def test_luma_keeps_its_precision_and_its_device():
    assert luma(colour(1, 2, 3)).dtype == torch.float64
    assert luma(torch.empty(2, 3, 4, 5, device="meta")).shape == (2, 4, 5)


def test_psnr_is_that_of_each_image_over_all_its_pixels():
    references = torch.full((3, 2, 2), 100, dtype=torch.uint8)
    images = references.clone()
    images[0] += 5  # mean squared error 25
    images[1, 0, 0] -= 10  # 100 / 4 = 25 too
    images[2] = 0  # 100²
    expected = [20 * math.log10(255 / 5)] * 2 + [20 * math.log10(255 / 100)]
    assert peak_signal_noise_ratio(images, references).tolist() == pytest.approx(expected, abs=1e-9)


def test_psnr_of_equal_images_is_a_number():
    image = torch.zeros(1, 4, 4, dtype=torch.uint8)
    assert peak_signal_noise_ratio(image, image).tolist() == [EQUAL_IMAGES_DB]


def test_a_shaved_image_has_lost_its_border_on_each_side():
    image = torch.arange(30).view(5, 6)
    assert shaved(image, 2).tolist() == [[14, 15]]


def test_ssim_of_equal_images_is_one():
    image = torch.rand(2, 16, 20, generator=torch.Generator().manual_seed(0)) * 255
    torch.testing.assert_close(structural_similarity(image, image), torch.ones(2, dtype=torch.float64))


def test_ssim_of_constant_images_is_their_luminance_term():
    first, second = torch.full((1, 12, 12), 50.0), torch.full((1, 12, 12), 100.0)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert structural_similarity(first, second).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_where_the_window_fits_once_is_the_formula_with_gaussian_weights():
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.rand(11, 11, generator=draw, dtype=torch.float64) * 255 for _ in range(2))
    place = torch.arange(11, dtype=torch.float64) - 5
    weights = torch.exp(-(place[:, None] ** 2 + place[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    variance_x, variance_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    expected /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    assert structural_similarity(x[None], y[None]).item() == pytest.approx(expected.item(), abs=1e-9)


def test_ssim_is_the_mean_over_the_places_where_the_window_fits():
    draw = torch.Generator().manual_seed(1)
    x, y = (torch.rand(1, 12, 11, generator=draw) * 255 for _ in range(2))
    upper, lower = (structural_similarity(x[:, s], y[:, s]) for s in (slice(0, 11), slice(1, 12)))
    torch.testing.assert_close(structural_similarity(x, y), (upper + lower) / 2)


def test_psnr_never_exceeds_that_of_equal_images():
    image = torch.zeros(1, 4, 4, dtype=torch.float64)
    assert peak_signal_noise_ratio(image + 1e-6, image).tolist() == [EQUAL_IMAGES_DB]


def test_ssim_is_that_of_each_image():
    draw = torch.Generator().manual_seed(2)
    x, y = (torch.rand(3, 12, 13, generator=draw) * 255 for _ in range(2))
    alone = torch.cat([structural_similarity(x[i : i + 1], y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(structural_similarity(x, y), alone)
    assert len(set(alone.tolist())) == 3
