"""CIFAR-100: the whole set, its absence and damage, and the bundled sample."""

from urllib.error import URLError

import pytest
import torch
from torchvision.datasets import CIFAR100

from experiments.errors import BadInput
from experiments.tasks.cifar100 import dataset as cifar100


def test_the_sample_has_the_same_number_of_each_class(sample):
    train, test = sample
    assert train.images.shape == (5000, 3, 32, 32)
    assert train.labels.bincount().tolist() == [50] * 100
    assert test.images.shape == (1000, 3, 32, 32)
    assert test.labels.bincount().tolist() == [10] * 100


def test_the_sample_fits_its_limit_of_15_mb():
    assert sum(file.stat().st_size for file in cifar100.SAMPLE_DIR.iterdir()) < 15e6


def test_the_sample_holds_the_first_images_of_each_class_of_the_public_set(sample, cifar100_root):
    whole = cifar100.load(str(cifar100_root), download=False)
    for few, all_images in zip(sample, whole, strict=True):
        per_class = len(few) // 100
        for label in (0, 42, 99):
            chosen = (all_images.labels == label).nonzero().flatten()[:per_class]
            assert torch.equal(few.images[few.labels == label], all_images.images[chosen])


@pytest.mark.slow
def test_the_normalisation_is_that_of_the_training_images(cifar100_root):
    train, test = cifar100.load(str(cifar100_root), download=False)
    assert (len(train), len(test)) == (50_000, 10_000)
    pixels = train.images.double() / 255
    torch.testing.assert_close(pixels.mean((0, 2, 3)), torch.tensor(cifar100.MEAN).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(pixels.std((0, 2, 3)), torch.tensor(cifar100.STD).double(), atol=1e-4, rtol=0)


def test_a_missing_set_is_named_with_both_remedies_in_two_lines(tmp_path):
    with pytest.raises(BadInput) as caught:
        cifar100.load(str(tmp_path), download=False)
    first, second = str(caught.value).split("\n")
    assert str(tmp_path) in first
    assert "data=sample" in second
    assert "data.root=" in second


def test_a_failed_download_says_why_and_names_both_remedies(tmp_path, monkeypatch):
    def no_network(self):
        raise URLError("no route to host")

    monkeypatch.setattr(CIFAR100, "download", no_network)
    with pytest.raises(BadInput, match="no route to host") as caught:
        cifar100.load(str(tmp_path), download=True)
    assert str(caught.value).count("\n") == 1
    assert "data=sample" in str(caught.value)


def test_a_damaged_file_is_named_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR100, "download", lambda self: pytest.fail("must not be fetched over a damaged file"))
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "train").write_bytes(b"not the public file")
    with pytest.raises(BadInput, match="train is damaged or partly unpacked"):
        cifar100.load(str(tmp_path), download=True)


def test_a_damaged_sample_is_named(tmp_path):
    (tmp_path / "train.webp").write_bytes(b"not a picture")
    with pytest.raises(BadInput, match=r"train\.webp is missing or damaged"):
        cifar100.load_sample(tmp_path)
