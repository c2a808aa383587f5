"""One picture that shows versions of an image side by side, with a zoomed crop and the PSNR of each."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from experiments.tasks.superres.image_quality import luma, peak_signal_noise_ratio, shaved

COLUMN = 480
"""Width of a column and side of a zoomed crop, in pixels."""
CROP = 60
"""Side of the crop before it is zoomed at most, in image pixels."""
GAP, CAPTION, FONT_SIZE = 12, 40, 24
"""Space between columns, height of a caption and of its letters, in pixels."""
FRAME, FRAME_WIDTH = (255, 40, 40), 3
"""Colour and width in pixels of the frame that marks the crop."""


def most_telling_crop(image: Tensor, reference: Tensor) -> tuple[int, int, int]:
    """(top, left, side) of the square in which `image` differs most from `reference`, by squared error.

    Args:
        image: uint8 3×H×W.
        reference: likewise.
    """
    side = min(CROP, *reference.shape[1:])
    error = (image.float() - reference.float()).square().mean(0, keepdim=True)
    means = F.avg_pool2d(error.unsqueeze(0), side, stride=1)[0, 0]
    top, left = divmod(int(means.argmax()), means.shape[1])
    return top, left, side


def comparison_strip(
    versions: dict[str, Tensor], reference: Tensor, framed: tuple[int, int, int], border: int
) -> Image.Image:
    """A column a version, then one of the reference: image, caption, framed part enlarged, caption.

    A caption gives the PSNR of the luma against the reference: of the image without its border,
    and of the framed part.

    Args:
        versions: name → uint8 3×H×W.
        reference: the original, uint8 3×H×W.
        framed: (top, left, side) of the part to enlarge.
        border: pixels left out on each side for the PSNR of the whole image.
    """
    top, left, side = framed
    height, width = reference.shape[1:]
    shown = (COLUMN, round(COLUMN * height / width))
    columns = [*versions.items(), ("original", reference)]
    size = (len(columns) * (COLUMN + GAP) + GAP, GAP + shown[1] + CAPTION + COLUMN + CAPTION)
    strip = Image.new("RGB", size, "white")
    for place, (name, image) in enumerate(columns):
        x = GAP + place * (COLUMN + GAP)
        part, part_of_reference = (each[:, top : top + side, left : left + side] for each in (image, reference))
        captions = (name, "framed part")
        if image is not reference:
            whole = _psnr_y(shaved(image, border), shaved(reference, border))
            captions = (f"{name}: {whole:.2f} dB", f"framed part: {_psnr_y(part, part_of_reference):.2f} dB")
        whole_picture = _picture(image, shown)
        zoom = COLUMN / width
        box = [left * zoom, top * zoom, (left + side) * zoom, (top + side) * zoom]
        ImageDraw.Draw(whole_picture).rectangle(box, outline=FRAME, width=FRAME_WIDTH)
        y = GAP
        for picture, caption in zip((whole_picture, _picture(part, (COLUMN, COLUMN))), captions, strict=True):
            strip.paste(picture, (x, y))
            y += picture.height + CAPTION
            _write(strip, (x + COLUMN // 2, y - CAPTION // 2), caption)
    return strip


@dataclass(frozen=True)
class StripColumn:
    """One column of a strip, cut out: the image, its caption, the framed part enlarged, its caption."""

    whole: Image.Image
    caption: Image.Image
    part: Image.Image
    part_caption: Image.Image


def columns_of(strip: Image.Image) -> list[StripColumn]:
    """The columns of what `comparison_strip` made; empty for a picture that it cannot have made."""
    count, rest = divmod(strip.width - GAP, COLUMN + GAP)
    shown_height = strip.height - GAP - 2 * CAPTION - COLUMN
    if rest or count < 1 or shown_height < 1:
        return []
    columns = []
    for place in range(count):
        x, y, cut = GAP + place * (COLUMN + GAP), GAP, []
        for height in (shown_height, CAPTION, COLUMN, CAPTION):
            cut.append(strip.crop((x, y, x + COLUMN, y + height)))
            y += height
        columns.append(StripColumn(*cut))
    return columns


def _psnr_y(image: Tensor, reference: Tensor) -> float:
    return peak_signal_noise_ratio(*(luma(each.unsqueeze(0)) for each in (image, reference))).item()


def _picture(image: Tensor, size: tuple[int, int]) -> Image.Image:
    """uint8 3×H×W enlarged to (width, height) without smoothing."""
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).to("cpu", torch.uint8).numpy())
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def _write(picture: Image.Image, centre: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(picture).text(centre, text, "black", ImageFont.load_default(FONT_SIZE), anchor="mm")
