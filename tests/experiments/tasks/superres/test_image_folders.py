"""Folders of images that the user names, and DIV2K as it is unpacked."""

from pathlib import Path

import pytest

from experiments.errors import BadInput
from experiments.tasks.superres import image_folders


def test_folders_must_be_named():
    with pytest.raises(BadInput, match=r"data=folder needs data\.test; .* data\.test=FOLDER"):
        image_folders.folders("somewhere", None, None, None)


def test_div2k_is_found_in_its_usual_folders(tmp_path):
    with pytest.raises(BadInput, match=r"DIV2K_train_HR is missing\n.*data\.root=…"):
        image_folders.div2k(str(tmp_path), None, None)
    for name in ("DIV2K_train_HR", "DIV2K_valid_HR"):
        (tmp_path / name).mkdir()
    train, test = image_folders.div2k(str(tmp_path), str(tmp_path / "low"), None)
    assert (train.high.name, train.low, train.low_key) == ("DIV2K_train_HR", tmp_path / "low", "data.train_lr")
    assert (test.high.name, test.low) == ("DIV2K_valid_HR", None)


def test_each_folder_keeps_the_key_that_named_it():
    train, test = image_folders.folders("a", "b", None, "b_low")
    assert (train.high, train.key, train.low) == (Path("a"), "data.train", None)
    assert (test.high, test.key, test.low, test.low_key) == (Path("b"), "data.test", Path("b_low"), "data.test_lr")
