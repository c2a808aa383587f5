"""Reading image folders: what is accepted, and how everything else is named."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.errors import BadInput
from experiments.tasks.image_files import image_files, read_images

COLOUR = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def write_png16(file, colour_type, channels):
    """A 16-bit PNG, which Pillow can read but not always write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + bytes(range(5 * channels * 2)) for _ in range(4))
    header = struct.pack(">IIBBBBB", 5, 4, 16, colour_type, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def test_colour_is_read_as_it_is(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    (image,) = read_images([tmp_path / "a.png"])
    assert image.dtype == torch.uint8
    assert torch.equal(image, torch.from_numpy(COLOUR).permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_grey_palette_and_black_and_white_get_three_channels(tmp_path, mode):
    picture = Image.fromarray(COLOUR[:, :, 0]).convert(mode)
    picture.save(tmp_path / "a.png")
    (image,) = read_images([tmp_path / "a.png"])
    assert image.shape == (3, 4, 5)
    assert torch.equal(image, torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))


def test_images_of_different_sizes_come_in_the_order_of_their_names(tmp_path):
    for name, width in (("b", 7), ("a", 3), ("c", 5)):
        Image.new("RGB", (width, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / ".hidden").write_text("")
    (tmp_path / "inner").mkdir()
    assert [image.shape[2] for image in read_images(image_files(tmp_path, "data.train"))] == [3, 7, 5]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_alpha_channel_is_refused(tmp_path, mode):
    Image.fromarray(COLOUR).convert(mode).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"a\.png has an alpha channel .* convert it to 8-bit RGB"):
        read_images([tmp_path / "a.png"])


def test_a_transparent_colour_is_refused(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png", transparency=(0, 1, 2))
    with pytest.raises(BadInput, match="alpha channel"):
        read_images([tmp_path / "a.png"])


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (6, 4)])
def test_16_bits_a_channel_are_refused(tmp_path, colour_type, channels):
    write_png16(tmp_path / "a.png", colour_type, channels)
    with pytest.raises(BadInput, match=r"a\.png has more than 8 bits a channel .* convert it to 8-bit RGB"):
        read_images([tmp_path / "a.png"])


@pytest.mark.parametrize("mode", ["F", "I"])
def test_more_than_8_bits_in_a_tiff_are_refused(tmp_path, mode):
    Image.fromarray(COLOUR[:, :, 0]).convert(mode).save(tmp_path / "a.tif")
    with pytest.raises(BadInput, match="more than 8 bits"):
        read_images([tmp_path / "a.tif"])


def test_another_colour_space_is_refused(tmp_path):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(BadInput, match=r"a\.jpg is in the colour space CMYK"):
        read_images([tmp_path / "a.jpg"])


def test_a_file_that_is_no_image_is_named(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    (tmp_path / "notes.png").write_text("not a picture")
    with pytest.raises(BadInput, match=r"notes\.png is not an image"):
        read_images(image_files(tmp_path, "data.train"))


def test_a_damaged_image_is_named(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"a\.png is damaged"):
        read_images([tmp_path / "a.png"])


def test_an_empty_folder_and_none_at_all_are_named_with_their_key(tmp_path):
    with pytest.raises(BadInput, match=r"data\.train: .* holds no files"):
        image_files(tmp_path, "data.train")
    with pytest.raises(BadInput, match=r"data\.test: .*missing is not a folder"):
        image_files(tmp_path / "missing", "data.test")


def test_a_file_for_which_pillow_would_start_another_program_is_no_image(tmp_path, monkeypatch):
    file = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(file, format="EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("Ghostscript was started"))
    with pytest.raises(BadInput, match=r"image\.png is not an image \(accepted: PNG, JPEG"):
        read_images([file])
