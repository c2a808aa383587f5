"""Super-resolution strips: one test image by bicubic, by the baseline and by every other activation."""

import io

from PIL import Image, ImageDraw, ImageFont

from experiments.analysis.runs import Run, Setting
from experiments.report.figures.canvas import Figure
from experiments.report.figures.style import INK, PAPER
from experiments.report.figures.subject import Subject, describe, finished
from experiments.report.names import activation_name, task_name
from experiments.tasks.superres.comparison_strip import CAPTION, COLUMN, FONT_SIZE, GAP, StripColumn, columns_of

_BICUBIC, _OUTPUT, _ORIGINAL = 1, 2, 3
"""The columns of a run's picture; the first is the low resolution."""
_A_ROW = 3
"""Cells per row."""
_HEAD = 44
"""Height of a cell's heading, in pixels."""
_REDUCED = 2
"""A pixel of the framed part is 8 pixels in a run's picture; the figure has a half, to stay small."""


def strips(subject: Subject, setting: Setting) -> Figure | None:
    """The framed part of one test image in every version; None if the runs have no pictures.

    The seed is the first one with pictures of the most activations. Pictures with different crops are
    shown whole, one below the other.
    """
    seed, runs = _seed_with_most(subject, setting)
    if not runs:
        return None
    pictures = {}
    for act, run in runs.items():
        with Image.open(subject.evidence.picture_of(run), formats=["PNG"]) as picture:
            pictures[act] = picture.convert("RGB")
    columns = {act: columns_of(picture) for act, picture in pictures.items()}
    alike = len({picture.size for picture in pictures.values()}) == 1
    if alike and all(len(cut) == _ORIGINAL + 1 for cut in columns.values()):
        sheet, what = _composed(columns), "The part of one test image with the largest error of bicubic interpolation: "
        shown = ["original", "bicubic", *map(activation_name, columns)]
    else:
        sheet, what, shown = (
            _stacked(pictures),
            "Each run's own picture of a test image: ",
            list(map(activation_name, pictures)),
        )
    content = io.BytesIO()
    sheet.resize((sheet.width // _REDUCED, sheet.height // _REDUCED), Image.Resampling.BOX).save(content, "PNG")
    what += f"{', '.join(shown)}; seed {seed}. PSNR of the luma."
    title = f"{task_name(setting.task)}: one test image"
    return Figure(f"{subject.stems[setting]}_strips", title, f"{describe(setting)} {what}", what, content.getvalue())


def _seed_with_most(subject: Subject, setting: Setting) -> tuple[int, dict[str, Run]]:
    by_seed: dict[int, dict[str, Run]] = {}
    for act, runs in subject.runs(setting).items():
        for run in finished(runs):
            if subject.evidence.picture_of(run):
                by_seed.setdefault(run.seed, {})[act] = run
    return max(sorted(by_seed.items()), key=lambda each: len(each[1]), default=(0, {}))


def _composed(columns: dict[str, list[StripColumn]]) -> Image.Image:
    first = next(iter(columns.values()))
    original = first[_ORIGINAL]
    cells = [_cell("original", original.whole), _cell("original", original.part, original.part_caption)]
    cells.append(_cell("bicubic", *_part_and_captions(first[_BICUBIC])))
    cells += [_cell(activation_name(act), *_part_and_captions(cut[_OUTPUT])) for act, cut in columns.items()]
    rows = [cells[start : start + _A_ROW] for start in range(0, len(cells), _A_ROW)]
    heights = [max(cell.height for cell in row) for row in rows]
    sheet = Image.new("RGB", (_A_ROW * (COLUMN + GAP) + GAP, sum(heights) + GAP * (len(rows) + 1)), PAPER)
    y = GAP
    for row, height in zip(rows, heights, strict=True):
        for place, cell in enumerate(row):
            sheet.paste(cell, (GAP + place * (COLUMN + GAP), y))
        y += height + GAP
    return sheet


def _part_and_captions(column: StripColumn) -> tuple[Image.Image, Image.Image, Image.Image]:
    return column.part, column.part_caption, column.caption


def _cell(name: str, *pictures: Image.Image) -> Image.Image:
    """A heading with pictures below it."""
    width = pictures[0].width
    cell = Image.new("RGB", (width, _HEAD + sum(picture.height for picture in pictures)), PAPER)
    font = ImageFont.load_default(FONT_SIZE * 1.2)
    ImageDraw.Draw(cell).text((width // 2, _HEAD // 2), name, INK, font, anchor="mm")
    y = _HEAD
    for picture in pictures:
        cell.paste(picture, (0, y))
        y += picture.height
    return cell


def _stacked(pictures: dict[str, Image.Image]) -> Image.Image:
    cells = [_cell(activation_name(act), picture) for act, picture in pictures.items()]
    size = (max(cell.width for cell in cells), sum(cell.height for cell in cells) + CAPTION * (len(cells) - 1))
    sheet, y = Image.new("RGB", size, PAPER), 0
    for cell in cells:
        sheet.paste(cell, (0, y))
        y += cell.height + CAPTION
    return sheet
