"""Reads the image files of a folder as uint8 RGB tensors; errors name the file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from experiments.errors import BadInput

ACCEPTED_MODES = ("RGB", "L", "P", "1")
"""Pillow's modes that become 8-bit RGB without loss: colour, grey, palette, black and white."""

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
"""Pillow's formats that are read, by content; not those for which it starts other programs, as for EPS."""

CONVERT = 'convert it to 8-bit RGB: Image.open(FILE).convert("RGB").save(NEW_FILE)'


def image_files(folder: str | Path, key: str) -> list[Path]:
    """The files of `folder` sorted by name, without hidden ones and without those of folders inside it.

    Args:
        folder: the folder.
        key: the setting that names it, for messages.

    Raises:
        BadInput: there is no such folder, or no file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{key}: {folder} is not a folder; name a folder of images")
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise BadInput(f"{key}: {folder} holds no files; name a folder that holds the images themselves")
    return files


def read_images(files: list[Path]) -> list[Tensor]:
    """Each image as uint8 3×H×W; grey ones get three equal channels.

    Raises:
        BadInput: the first file that is not an image, is damaged, or has an alpha channel, more
            than 8 bits a channel, or another colour space.
    """
    with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
        return list(pool.map(_read_image, files))


def _read_image(file: Path) -> Tensor:
    try:
        with Image.open(file, formats=FORMATS) as image:
            _refuse_unlike(file, image)
            pixels = np.array(image.convert("RGB"))
    except BadInput:
        raise
    except Image.DecompressionBombError as error:
        raise BadInput(f"{file} is too large an image: {error}; cut it into parts") from error
    except Exception as error:  # Pillow raises errors of many kinds for other or damaged files
        reason = "damaged" if _looks_like_image(file) else "not an image"
        raise BadInput(
            f"{file} is {reason} (accepted: {', '.join(FORMATS)}); remove it from the folder, or restore it"
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _looks_like_image(file: Path) -> bool:
    try:
        with Image.open(file, formats=FORMATS):
            return True
    except Exception:
        return False


def _refuse_unlike(file: Path, image: Image.Image) -> None:
    # Pillow silently reads 16-bit colour as 8-bit; only the raw mode of its tiles shows it.
    if image.mode.startswith(("I", "F")) or ";16" in str(image.tile):
        raise BadInput(f"{file} has more than 8 bits a channel (accepted: 8-bit RGB or grey); {CONVERT}")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        raise BadInput(f"{file} has an alpha channel (accepted: 8-bit RGB or grey); {CONVERT}")
    if image.mode not in ACCEPTED_MODES:
        raise BadInput(f"{file} is in the colour space {image.mode} (accepted: 8-bit RGB or grey); {CONVERT}")
