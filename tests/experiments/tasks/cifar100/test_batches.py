"""Augmentation and batches of images that live on the device."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from experiments.distributed.sharding import Shard
from experiments.randomness import generator
from experiments.tasks.cifar100.batches import Augmentation, ImageBatches, LabelledImages, Moves, PixelTable


def moved(images, moves):
    return PixelTable(images).moved(torch.arange(len(images)), moves).permute(0, 3, 1, 2)


def augmented(images, augmentation):
    return moved(images, augmentation.draw(len(images), generator("cpu", 0)))


@pytest.fixture
def images():
    return torch.randint(1, 256, (40, 3, 32, 32), generator=generator("cpu", "images"), dtype=torch.uint8)


@pytest.fixture
def data(images):
    return LabelledImages(images, torch.arange(40) % 4)


def batches(data, augmentation=None, batch_size=12):
    return ImageBatches(data, batch_size, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), True, augmentation)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (-4, 4), (3, -2)])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [None, 0.0, 7.0, -14.5, 90.0])
def test_moved_pixels_equal_those_of_torchvision(images, rows, columns, mirrored, degrees):
    image = images[:1]
    shift = torch.tensor([[rows], [columns]])
    angles = None if degrees is None else torch.tensor([degrees])
    result = moved(image, Moves(shift, torch.tensor([mirrored]), angles))
    expected = reference.crop(reference.pad(image, [4]), 4 + rows, 4 + columns, 32, 32)
    if mirrored:
        expected = reference.hflip(expected)
    if degrees:
        expected = reference.rotate(expected, degrees, InterpolationMode.NEAREST)
    assert result.dtype == torch.uint8
    agreeing = (result == expected).float().mean()
    # Where a source lies exactly between two pixels the two may round differently.
    assert agreeing == 1 if degrees in (None, 0.0, 90.0) else agreeing > 0.995


def test_augmentation_without_moves_changes_nothing(images):
    assert torch.equal(augmented(images, Augmentation(0, False, 0.0)), images)


def test_augmentation_moves_each_image_by_its_own_draw(images):
    same = images[:1].expand(40, -1, -1, -1)
    results = augmented(same, Augmentation(4, True, 15.0))
    assert len({image.numpy().tobytes() for image in results}) > 30


def test_half_of_the_images_are_mirrored(images):
    same = images[:1].expand(1000, -1, -1, -1)
    results = augmented(same, Augmentation(0, True, 0.0))
    mirrored = (results == images[:1].flip(3)).flatten(1).all(1)
    assert ((results == images[:1]).flatten(1).all(1) ^ mirrored).all()
    assert 400 < int(mirrored.sum()) < 600


def test_an_epoch_is_a_function_of_seed_epoch_and_step(data):
    train = batches(data, Augmentation(4, True, 15.0))
    first, again = list(train.epoch(3, 5)), list(train.epoch(3, 5))
    assert len(first) == len(train) == 4
    for (images, labels), (same_images, same_labels) in zip(first, again, strict=True):
        assert torch.equal(images, same_images)
        assert torch.equal(labels, same_labels)
    for other in (train.epoch(4, 5), train.epoch(3, 6)):
        assert not torch.equal(next(iter(other))[0], first[0][0])


COUNTERS = [(3, 5), (3, 6), (4, 5)]
"""Seed and epoch: one, another epoch, another seed."""


def test_the_order_depends_on_seed_and_epoch(data):
    plain = batches(LabelledImages(data.images, torch.arange(40)))
    orders = [torch.cat([labels for _, labels in plain.epoch(*each)]).tolist() for each in COUNTERS]
    assert len(set(map(tuple, orders))) == 3


def test_the_augmentation_depends_on_seed_epoch_and_step(data):
    """Of one image over and over again, so that the order changes nothing."""
    same = LabelledImages(data.images[:1].repeat(40, 1, 1, 1), torch.zeros(40, dtype=torch.int64))
    for augmentation in (Augmentation(4, False, 0.0), Augmentation(0, True, 0.0), Augmentation(0, False, 15.0)):
        train = batches(same, augmentation, batch_size=20)
        drawn = [images.contiguous().numpy().tobytes() for each in COUNTERS for images, _ in train.epoch(*each)]
        assert len(set(drawn)) == len(drawn) == 6


@pytest.mark.parametrize("channels_last", [False, True])
def test_rows_and_columns_of_images_that_are_not_square_are_not_confused(channels_last):
    images = torch.arange(2 * 3 * 4 * 6, dtype=torch.uint8).view(2, 3, 4, 6)
    data = LabelledImages(images, torch.arange(2))
    train = ImageBatches(data, 2, (0.0,) * 3, (1 / 255,) * 3, channels_last, Augmentation(0, False, 0.0))
    batch, labels = next(train.epoch(0, 0))
    torch.testing.assert_close(batch, images[labels].float())
    upside_down = moved(images, Moves(torch.zeros(2, 2).long(), torch.zeros(2).bool(), torch.full((2,), 180.0)))
    assert torch.equal(upside_down, images.flip(2, 3))


def test_an_epoch_resumed_at_a_step_yields_the_remaining_batches(data):
    train = batches(data, Augmentation(4, True, 15.0))
    rest = list(train.epoch(3, 5, start=2))
    for (images, _), (expected, _) in zip(rest, list(train.epoch(3, 5))[2:], strict=True):
        assert torch.equal(images, expected)


def test_an_epoch_holds_every_image_once(data):
    plain = LabelledImages(data.images, torch.arange(40))
    labels = torch.cat([labels for _, labels in batches(plain).epoch(0, 0)])
    assert sorted(labels.tolist()) == list(range(40))
    assert labels.tolist() != list(range(40))


@pytest.mark.parametrize("count", [2, 3])
def test_the_shares_of_a_batch_are_the_batch(data, count):
    train = batches(data, Augmentation(4, True, 15.0))
    shares = [list(train.epoch(3, 5, start=1, shard=Shard(index, count))) for index in range(count)]
    for step, whole in enumerate(train.epoch(3, 5, start=1)):
        parts = [share[step] for share in shares]
        assert max(len(part[1]) for part in parts) - min(len(part[1]) for part in parts) <= 1
        for side in (0, 1):
            assert torch.equal(torch.cat([part[side] for part in parts]), whole[side])


def test_the_smallest_batch_is_known(data):
    assert batches(data).smallest == min(len(labels) for _, labels in batches(data).epoch(0, 0))


def test_evaluation_batches_are_all_images_in_order_normalised(data):
    images = torch.cat([images for images, _ in batches(data)])
    labels = torch.cat([labels for _, labels in batches(data)])
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    torch.testing.assert_close(images, (data.images / 255 - mean) / std, rtol=1e-5, atol=1e-5)
    assert torch.equal(labels, data.labels)
    assert next(iter(batches(data)))[0].is_contiguous(memory_format=torch.channels_last)


def test_a_held_out_part_has_the_same_number_of_each_class_and_shares_no_image(data):
    numbered = LabelledImages(torch.arange(40).view(40, 1, 1, 1), data.labels)
    rest, held = numbered.split(12)
    assert held.labels.bincount().tolist() == [3, 3, 3, 3]
    assert sorted(torch.cat([rest.images, held.images]).flatten().tolist()) == list(range(40))
    again = numbered.split(12)[1]
    assert torch.equal(held.images, again.images)


@pytest.mark.parametrize("held_out", [3, 40, 44])
def test_an_impossible_held_out_part_is_refused(data, held_out):
    with pytest.raises(ValueError, match="multiple of 4"):
        data.split(held_out)
