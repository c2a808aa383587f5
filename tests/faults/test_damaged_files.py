"""Damage to any file of a run, and any bytes in its place, is one clear error or changes nothing."""

import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from PIL import Image

from experiments.errors import BadInput
from experiments.tasks.image_files import read_images
from experiments.tasks.text.labelled_texts import Columns, read_rows
from tests.faults.injections import READERS, SEALED, SUMMED, damaged, read_damaged
from tests.faults.properties import BOUNDED, FEW

FILES = sorted(READERS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of a finished run, and its ledger beside them."""
    from experiments.configuration.composition import compose
    from experiments.tasks.cifar100 import dataset
    from experiments.training.console import Display
    from experiments.training.run import Run
    from tests.faults.injections import SETTINGS, use_few_images

    usual = dataset.load_sample
    root = tmp_path_factory.mktemp("runs")
    try:
        use_few_images()
        outcome = Run(*compose([*SETTINGS, "trainer.max_steps=1", f"output_root={root}"]), Display()).complete()
    finally:
        dataset.load_sample = usual
    (root / "ledger.csv").rename(outcome.identity.directory / "ledger.csv")
    return outcome.identity.directory


@pytest.mark.parametrize("name", FILES)
def test_damage_is_refused_or_changes_nothing(folder, name):
    file, chance = folder / name, random.Random(name)
    content, expected = file.read_bytes(), READERS[name](file)
    found = [read_damaged(file, expected, damaged(content, chance)) for _ in range(60)]
    assert "refused" in found
    if name in (*SEALED, *SUMMED):
        assert "changed" not in found
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", FILES)
def test_any_bytes_in_its_place_are_one_clear_error(folder, name):
    file = folder / name
    expected = READERS[name](file)

    @FEW
    @given(some.binary(max_size=200))
    @example(b"[]")
    @example(b"{}")
    @example(b"[" * 5000)
    @example(b"\xff\xfe\x00")
    @example(b"PK\x05\x06" + bytes(18))  # an empty zip archive
    def check(content):
        assert read_damaged(file, expected, content) in ("refused", "noted", "changed")

    check()


@BOUNDED
@given(some.binary(max_size=300))
@example(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
@example(b"\x89PNG\r\n\x1a\n")
@example(b"RIFF\x00\x00\x00\x00WEBPVP8 ")
def test_any_bytes_as_an_image_are_one_clear_error(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "image.png"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"image\.png") as caught:
        read_images([file])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF"])
def test_a_damaged_image_is_read_or_is_one_clear_error(tmp_path, suffix):
    file, chance = tmp_path / "image", random.Random(suffix)
    Image.effect_noise((24, 24), 50).save(file, format=suffix)
    content = file.read_bytes()
    for _ in range(40):
        file.write_bytes(damaged(content, chance))
        try:
            (image,) = read_images([file])
            assert image.shape[0] == 3
        except BadInput as error:
            assert str(file) in str(error)


@BOUNDED
@given(some.binary(max_size=200), some.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"]))
@example(b'text,label\n"never closed,1\n', ".csv")
@example(b"text,label\na,1\nb,2,3\n", ".csv")
@example(b"text,label\n" + b"x" * 200_000 + b",1\n", ".csv")
@example(b"PAR1PAR1", ".parquet")
def test_any_bytes_as_a_file_of_texts_are_rows_or_one_clear_error(tmp_path_factory, content, suffix):
    file: Path = tmp_path_factory.getbasetemp() / f"texts{suffix}"
    file.write_bytes(content)
    try:
        rows = read_rows(file, Columns(("text",), "label", None, False))
    except BadInput as error:
        assert str(file) in str(error)
    else:
        assert rows.total >= 0
