"""Bicubic resizing: hand-computed cases, and the published PSNR of bicubic up-scaling."""

from fractions import Fraction

import pytest
import torch

from experiments.tasks.image_files import image_files, read_images
from experiments.tasks.superres.image_quality import luma, peak_signal_noise_ratio, shaved
from experiments.tasks.superres.resize import bicubic, cubic_kernel, resize_taps

SCALES = [Fraction(1, 2), Fraction(1, 3), Fraction(1, 4), Fraction(2), Fraction(3), Fraction(4), Fraction(2, 3)]


def dense(size, scale):
    """The taps as a matrix, output×input."""
    index, weight = resize_taps(size, scale)
    return torch.zeros(len(index), size, dtype=torch.float64).scatter_add_(1, index, weight)


def test_the_kernel_has_the_values_of_the_formula():
    x = torch.tensor([0, 0.5, -0.5, 1, 1.5, 2, 3], dtype=torch.float64)
    assert cubic_kernel(x).tolist() == [1, 0.5625, 0.5625, 0, -0.0625, 0, 0]


def test_halving_uses_the_kernel_stretched_by_two():
    half = [0.8671875, 0.2265625, -0.0703125, -0.0234375]  # the kernel at ¼, ¾, 1¼ and 1¾
    expected = torch.tensor([*reversed(half), *half], dtype=torch.float64) / 2
    torch.testing.assert_close(dense(20, Fraction(1, 2))[4, 5:13], expected, rtol=0, atol=1e-15)
    assert dense(20, Fraction(1, 2))[4].count_nonzero() == 8


def test_doubling_uses_the_kernel_at_quarters():
    expected = torch.tensor([-0.0234375, 0.2265625, 0.8671875, -0.0703125], dtype=torch.float64)
    torch.testing.assert_close(dense(20, Fraction(2))[10, 3:7], expected, rtol=0, atol=1e-15)


def test_outside_of_the_image_its_pixels_are_mirrored_with_the_outermost_one_included():
    inside = dense(40, Fraction(1, 2))[10, 17:25]  # of pixels −3 … 4 around output 0, shifted by 20
    expected = torch.zeros(40, dtype=torch.float64)
    for place, weight in zip([2, 1, 0, 0, 1, 2, 3, 4], inside.tolist(), strict=True):
        expected[place] += weight
    torch.testing.assert_close(dense(40, Fraction(1, 2))[0], expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [1, 2, 7, 12])
def test_the_weights_of_every_output_pixel_sum_to_one(scale, size):
    weights = dense(size, scale)
    assert len(weights) == -(-size * scale.numerator // scale.denominator)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights), dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", SCALES)
def test_a_constant_image_stays_constant(scale):
    images = torch.full((2, 3, 12, 24), 137, dtype=torch.uint8)
    resized = bicubic(images, scale)
    assert resized.shape == (2, 3, 12 * scale, 24 * scale)
    assert (resized == 137).all()


def test_overshoot_is_clipped_and_values_are_rounded():
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    image[:, :, 4:] = 255
    row = bicubic(image, 2)[0, 0].tolist()
    exact = dense(8, Fraction(2))[:, 4:].sum(1) * 255
    assert exact.min() < 0 and exact.max() > 255
    assert row == exact.round().clamp(0, 255).int().tolist()


def test_one_image_of_a_batch_never_changes_another():
    images = torch.randint(0, 256, (3, 3, 12, 18), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bicubic(images, Fraction(1, 3))[1], bicubic(images[1], Fraction(1, 3)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scale", "published"),
    [
        ("set5", 2, 33.66),
        ("set5", 3, 30.39),
        ("set5", 4, 28.42),
        ("set14", 2, 30.24),
        ("set14", 3, 27.55),
        ("set14", 4, 26.00),
    ],
)
def test_the_bicubic_row_is_the_published_one(real_data, name, scale, published):
    values = []
    for image in read_images(image_files(real_data / name, "")):
        high = image[None, :, : image.shape[1] // scale * scale, : image.shape[2] // scale * scale]
        enlarged = bicubic(bicubic(high, Fraction(1, scale)), scale)
        values.append(peak_signal_noise_ratio(*(luma(shaved(each, scale)) for each in (enlarged, high))))
    assert float(torch.cat(values).mean()) == pytest.approx(published, abs=0.1)
