"""Pairs of images, batches of one size, and random patches."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.distributed.sharding import Shard
from experiments.errors import BadInput
from experiments.randomness import generator
from experiments.tasks.superres.batches import (
    EvaluationPairs,
    Pairs,
    PatchAugmentation,
    PixelStore,
    Source,
    TrainingPatches,
    load_pairs,
    patch_symmetries,
)
from experiments.tasks.superres.resize import bicubic

CPU = torch.device("cpu")
STILL = PatchAugmentation(flip=False, quarter_turns=False)
MOVED = PatchAugmentation(flip=True, quarter_turns=True)


def random_image(height, width, seed=0):
    draw = generator("cpu", seed, height, width)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=draw)


def save(file, image):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy())).save(file)


@pytest.fixture
def folder(tmp_path):
    """Two images of different sizes, neither a multiple of 2, 3 or 4, and their halves under tmp_path/low."""
    for name, height, width in (("a", 25, 31), ("b", 37, 29)):
        image = random_image(height, width)
        save(tmp_path / "high" / f"{name}.png", image)
        save(tmp_path / "low" / f"{name}x2.png", bicubic(image[:, : height - 1, : width - 1], Fraction(1, 2)))
    return tmp_path


def loaded(source, scale=2, smallest=8):
    return load_pairs(source, scale, smallest, f"task.patch=4 at task.scale={scale}", CPU)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_large_images_are_cropped_to_a_multiple_of_the_scale_and_small_ones_made_from_them(folder, scale):
    pairs = loaded(Source(folder / "high", "data.train"), scale)
    for low, high, (height, width) in zip(pairs.low, pairs.high, [(25, 31), (37, 29)], strict=True):
        assert torch.equal(high, random_image(height, width)[:, : height // scale * scale, : width // scale * scale])
        assert torch.equal(low, bicubic(high, Fraction(1, scale)))


@pytest.mark.parametrize("ending", ["x2.png", ".png"])
def test_small_images_are_read_and_paired_by_name_where_they_are_given(folder, ending):
    for file in (folder / "low").iterdir():
        file.rename(file.with_name(file.name.replace("x2.png", ending)))
    inverted = 255 - random_image(12, 15)
    save(folder / "low" / f"a{ending}", inverted)
    pairs = loaded(Source(folder / "high", "data.train", folder / "low", "data.train_lr"))
    assert torch.equal(pairs.low[0], inverted)


@pytest.mark.parametrize(
    ("damage", "answer"),
    [
        (lambda f: (f / "low" / "bx2.png").unlink(), r"b\.png has no counterpart in data\.train_lr=.* bx2\.png"),
        (lambda f: save(f / "low" / "c.png", random_image(12, 12)), r"c\.png has no counterpart .* data\.train_lr"),
        (
            lambda f: save(f / "low" / "ax2.png", random_image(8, 10)),
            r"ax2\.png is 10×8 pixels, and .*a\.png at task\.scale=2 needs 15×12; .* data\.train_lr=…",
        ),
        (lambda f: save(f / "high" / "a.png", random_image(7, 31)), r"a\.png is 31×7 pixels, .*task\.patch=4.* 8×8"),
    ],
)
def test_images_that_do_not_pair_or_are_too_small_are_named(folder, damage, answer):
    damage(folder)
    with pytest.raises(BadInput, match=answer) as caught:
        loaded(Source(folder / "high", "data.train", folder / "low", "data.train_lr"))
    assert "\n" not in str(caught.value)


def pairs_of(sizes, scale=2):
    high = [random_image(height * scale, width * scale, seed) for seed, (height, width) in enumerate(sizes)]
    return Pairs([bicubic(image, Fraction(1, scale)) for image in high], high)


def test_evaluation_batches_hold_every_image_once_beside_others_of_its_size():
    pairs = pairs_of([(6, 8), (8, 6), (6, 8), (8, 6), (6, 8)])
    batches = list(EvaluationPairs(pairs, batch_size=2))
    assert [low.shape for low, _ in batches] == [(2, 3, 6, 8), (1, 3, 6, 8), (2, 3, 8, 6)]
    images = [(low, high) for batch in batches for low, high in zip(*batch, strict=True)]
    for (low, high), place in zip(images, [0, 2, 4, 1, 3], strict=True):
        assert torch.equal(low, pairs.low[place])
        assert torch.equal(high, pairs.high[place])


def test_stored_images_of_different_sizes_are_gathered_pixel_by_pixel():
    images = [random_image(5, 7), random_image(6, 4), random_image(3, 9)]
    rows, columns = torch.meshgrid(torch.arange(1, 3), torch.arange(2, 4), indexing="ij")
    gathered = PixelStore(images).gather(torch.tensor([2, 0, 1]), rows.expand(3, 2, 2), columns.expand(3, 2, 2))
    for patch, place in zip(gathered, [2, 0, 1], strict=True):
        assert torch.equal(patch, images[place][:, 1:3, 2:4])


def test_the_eight_symmetries_are_the_mirrored_and_turned_patches():
    patch = random_image(5, 5)
    for number, (rows, columns) in enumerate(patch_symmetries(5)):
        start = patch.flip(2) if number >= 4 else patch
        assert torch.equal(patch[:, rows, columns], torch.rot90(start, number % 4, (1, 2)))


@pytest.mark.parametrize(
    ("augmentation", "symmetries"),
    [
        (STILL, {0}),
        (PatchAugmentation(flip=True, quarter_turns=False), {0, 4}),
        (PatchAugmentation(flip=False, quarter_turns=True), {0, 1, 2, 3}),
        (MOVED, set(range(8))),
    ],
)
def test_each_allowed_symmetry_is_drawn_equally_often(augmentation, symmetries):
    drawn = augmentation.draw(8000, generator("cpu", 0)).bincount(minlength=8)
    assert set(drawn.nonzero().flatten().tolist()) == symmetries
    assert all(abs(int(drawn[each]) - 8000 / len(symmetries)) < 300 for each in symmetries)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_both_patches_of_a_pair_show_the_same_place_moved_alike(scale):
    """Where each large pixel holds the number of its small one, the patches must agree everywhere."""
    low = [torch.arange(3 * h * w).remainder(251).to(torch.uint8).view(3, h, w) for h, w in ((9, 12), (14, 8))]
    high = [image.repeat_interleave(scale, 1).repeat_interleave(scale, 2) for image in low]
    patches = TrainingPatches(Pairs(low, high), scale, 6, 40, 2, MOVED)
    for small, large in patches.epoch(0, 0):
        assert small.shape == (40, 3, 6, 6)
        assert torch.equal(small.repeat_interleave(scale, 2).repeat_interleave(scale, 3), large)


def test_patches_come_from_every_image_and_reach_every_corner():
    low = [torch.full((3, 4, 5), 10, dtype=torch.uint8), torch.full((3, 6, 4), 20, dtype=torch.uint8)]
    for image in low:
        for corner, (row, column) in enumerate([(0, 0), (0, -1), (-1, 0), (-1, -1)]):
            image[:, row, column] += corner + 1
    patches = TrainingPatches(Pairs(low, low), 1, 3, 500, 1, STILL)
    ((small, _),) = patches.epoch(0, 0)
    assert set(small.unique().tolist()) == {10, 11, 12, 13, 14, 20, 21, 22, 23, 24}
    broadcast_from_main = (small.flatten(1).min(1).values < 15).sum()
    assert 200 < int(broadcast_from_main) < 300


def test_an_image_of_exactly_a_patch_can_be_drawn_from():
    ((small, _),) = TrainingPatches(pairs_of([(4, 4)]), 2, 4, 3, 1, STILL).epoch(0, 0)
    assert torch.equal(small, pairs_of([(4, 4)]).low[0].expand(3, -1, -1, -1))


def test_an_epoch_is_a_function_of_seed_epoch_and_step():
    patches = TrainingPatches(pairs_of([(9, 12), (14, 8)]), 2, 6, 4, 5, MOVED)
    whole = list(patches.epoch(3, 5))
    assert len(whole) == len(patches) == 5
    for again, expected in ((patches.epoch(3, 5), whole), (patches.epoch(3, 5, start=2), whole[2:])):
        for batch, same in zip(again, expected, strict=True):
            assert all(torch.equal(one, other) for one, other in zip(batch, same, strict=True))
    for other in (patches.epoch(4, 5), patches.epoch(3, 6), patches.epoch(3, 5, start=1)):
        assert not torch.equal(next(iter(other))[0], whole[0][0])


@pytest.mark.parametrize(
    ("sizes", "augmentation"),
    [([(9, 12), (14, 8)], STILL), ([(6, 6)], MOVED), ([(6, 6)] * 8, STILL)],
    ids=["place", "symmetry", "image"],
)
def test_all_that_is_drawn_depends_on_seed_epoch_and_step(sizes, augmentation):
    patches = TrainingPatches(pairs_of(sizes), 2, 6, 12, 3, augmentation)
    drawn = [low.numpy().tobytes() for each in ((3, 5), (3, 6), (4, 5)) for low, _ in patches.epoch(*each)]
    assert len(set(drawn)) == len(drawn) == 9


def test_the_shares_of_a_batch_are_the_batch():
    patches = TrainingPatches(pairs_of([(9, 12), (14, 8)]), 2, 6, 5, 3, MOVED)
    shares = [list(patches.epoch(3, 5, shard=Shard(index, 2))) for index in range(2)]
    for step, whole in enumerate(patches.epoch(3, 5)):
        for side in (0, 1):
            assert torch.equal(torch.cat([share[step][side] for share in shares]), whole[side])
