"""Fingerprints of data: they follow its content, not its place, and a run's identity follows them."""

import shutil
import time

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.contract import build_task
from experiments.tasks.fingerprint import fingerprint, of_files


def identity_of(*words):
    cfg, choices = compose([*words, "trainer.device=cpu", "trainer.precision=float32", "trainer.threads=1"])
    config = validate(cfg)
    return identify(cfg, choices, build_task(config).data_fingerprint(config))


def save_image(file, corner=0):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    pixels[0, 0, 0] = corner
    Image.fromarray(pixels).save(file)


def own_images(root):
    return ["task=superres", "data=folder", f"data.train={root / 'train'}", f"data.test={root / 'test'}"]


@pytest.fixture
def images(tmp_path):
    """A folder with images to train on and to test on, and a copy of it elsewhere."""
    for part in ("train", "test", "set5"):
        save_image(tmp_path / "here" / part / "a.png")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    return tmp_path / "here", tmp_path / "there"


def test_texts_are_told_apart_by_where_they_end():
    assert len({fingerprint(["ab", "c"]), fingerprint(["a", "bc"]), fingerprint(["abc"]), fingerprint([])}) == 4


def test_a_file_counts_with_its_name_and_content_but_not_its_folder(images):
    _, there = images
    same = [of_files([root / "train" / "a.png"]) for root in images]
    assert same[0] == same[1]
    (there / "train" / "a.png").rename(there / "train" / "b.png")
    assert of_files([there / "train" / "b.png"]) != same[0]


def test_equal_images_in_two_folders_are_one_run(images):
    here, there = (identity_of(*own_images(root)) for root in images)
    assert (here.run_id, here.overrides, here.data_fingerprint) == (there.run_id, {}, there.data_fingerprint)
    assert str(images[1]) in there.command


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_changed_pixel_makes_another_run(images, part):
    here, there = images
    save_image(there / part / "a.png", corner=1)
    assert identity_of(*own_images(here)).run_id != identity_of(*own_images(there)).run_id


def test_a_changed_image_of_a_further_test_set_makes_another_run(images):
    def of(root):
        return identity_of(*own_images(root), "data.test_sets=[set5]", f"data.test_root={root}").run_id

    here, there = images
    assert of(here) == of(there)
    save_image(there / "set5" / "a.png", corner=1)
    assert of(here) != of(there)


def test_given_low_resolution_images_make_another_run(images):
    here, _ = images
    assert (
        identity_of(*own_images(here), f"data.train_lr={here / 'set5'}").run_id != identity_of(*own_images(here)).run_id
    )


def own_texts(root, ending="csv"):
    places = [f"data.train={root / f'train.{ending}'}", f"data.test={root / f'test.{ending}'}"]
    return ["task=text", "data=csv", *places]


def write_texts(root, label="1", further=""):
    root.mkdir()
    for part in ("train", "test"):
        (root / f"{part}.csv").write_text(f"text,label,note\none,0,{further}\ntwo,{label},{further}\n")


def test_equal_texts_are_one_run_in_whatever_folder_and_format_and_with_whatever_other_columns(tmp_path):
    write_texts(tmp_path / "here")
    write_texts(tmp_path / "there", further="read twice")
    here, there = (identity_of(*own_texts(tmp_path / place)) for place in ("here", "there"))
    assert (here.run_id, here.overrides) == (there.run_id, {})
    for part in ("train", "test"):
        table = pa.table({"text": ["one", "two"], "label": [0, 1]})
        parquet.write_table(table, tmp_path / "there" / f"{part}.parquet", row_group_size=1)
    assert identity_of(*own_texts(tmp_path / "there", "parquet")).run_id == here.run_id


def test_one_changed_label_makes_another_run(tmp_path):
    write_texts(tmp_path / "here")
    write_texts(tmp_path / "there", label="2")
    assert len({identity_of(*own_texts(tmp_path / place)).run_id for place in ("here", "there")}) == 2


def test_a_validation_file_makes_another_run(tmp_path):
    write_texts(tmp_path / "here")
    words = own_texts(tmp_path / "here")
    assert identity_of(*words, f"data.validation={tmp_path / 'here' / 'test.csv'}").run_id != identity_of(*words).run_id


@pytest.mark.parametrize(
    "words",
    [
        ["task=superres", "data=folder", "data.train=nowhere", "data.test=nowhere"],
        ["task=superres", "data=bsds300", "data.root=nowhere", "data.download=false"],
        ["task=text", "data=csv", "data.train=nowhere.csv", "data.test=nowhere.csv"],
        ["task=text", "data=sst2", "data.root=nowhere", "data.download=false"],
        ["task=text", "data=csv"],
    ],
)
def test_missing_data_is_named(words):
    with pytest.raises(BadInput, match=r"nowhere|data\.train=null"):
        identity_of(*words)


def test_cifar100_needs_no_file_for_its_fingerprint_as_reading_it_checks_the_published_sums(monkeypatch):
    config = validate(compose(["task=cifar100", "data=full", "data.root=nowhere"])[0])
    task = build_task(config)
    of_whole = task.data_fingerprint(config)
    assert of_whole != identity_of("task=cifar100", "data=sample").data_fingerprint
    monkeypatch.setattr(cifar100.CIFAR100, "test_list", [["test", "another sum"]])
    assert task.data_fingerprint(config) != of_whole


def test_a_changed_bundled_sample_has_another_fingerprint(monkeypatch):
    words = ["task=cifar100", "data=sample"]
    before = identity_of(*words).data_fingerprint
    monkeypatch.setitem(cifar100.SHEETS, "test.webp", "another sum")
    assert identity_of(*words).data_fingerprint != before


@pytest.mark.slow
@pytest.mark.parametrize("words", ["task=superres data=sample", "task=text data=sample", "task=text data=snli_subset"])
def test_the_fingerprint_of_bundled_data_takes_less_than_a_second(words):
    config = validate(compose(words.split())[0])
    task = build_task(config)
    started = time.perf_counter()
    assert task.data_fingerprint(config)
    assert time.perf_counter() - started < 1
