"""Running a super-resolution model on an image tile by tile, with the result that the whole image would give."""

import torch
from torch import Tensor, nn

from carelu import CAReLU, activation_modules
from carelu.functional import competition_dims


def site_that_needs_the_whole_image(model: nn.Module) -> str | None:
    """The name of the first activation of `model` whose result at a pixel depends on pixels far away, or None.

    These are the competitions that run over height or width: in a tile they would be others.
    """
    for name, module in activation_modules(model):
        if isinstance(module, CAReLU) and max(competition_dims(4, module.over)) > 1:
            return name
    return None


def tiled(model: nn.Module, images: Tensor, scale: int, tile: int) -> Tensor:
    """`model(images)`, put together from tiles that are enlarged by what the model sees around them.

    Args:
        model: has `receptive_radius`, and no `site_that_needs_the_whole_image`.
        images: N×3×H×W at low resolution.
        scale: output pixels an input pixel.
        tile: side of a tile in low-resolution pixels; bounds the memory.

    Returns:
        N×3×(scale H)×(scale W), equal to `model(images)` but for the order in which sums are rounded.
    """
    height, width = images.shape[-2:]
    margin = model.receptive_radius
    rows = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            above, before = max(0, top - margin), max(0, left - margin)
            part = model(images[..., above : top + tile + margin, before : left + tile + margin])
            row.append(
                part[
                    ...,
                    (top - above) * scale : (min(top + tile, height) - above) * scale,
                    (left - before) * scale : (min(left + tile, width) - before) * scale,
                ]
            )
        rows.append(torch.cat(row, dim=-1))
    return torch.cat(rows, dim=-2)
