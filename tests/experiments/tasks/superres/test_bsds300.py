"""BSDS300: the whole set, its absence and incompleteness, and the bundled sample; DIV2K's and other folders."""

import functools
import shutil
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import URLError

import pytest
from PIL import Image

from experiments.errors import BadInput
from experiments.tasks.image_files import image_files, read_images
from experiments.tasks.superres import bsds300


def test_the_sample_holds_40_and_8_photographs():
    for source, count in zip(bsds300.sample(), (40, 8), strict=True):
        files = image_files(source.high, source.key)
        assert len(files) == count
        assert {tuple(sorted(image.shape)) for image in read_images(files[:8])} == {(3, 321, 481)}


def test_the_sample_fits_its_limit_of_6_mb():
    assert sum(file.stat().st_size for file in bsds300.SAMPLE_DIR.rglob("*") if file.is_file()) < 6e6


def test_the_sample_holds_the_first_files_of_the_public_set(real_data):
    for few, whole in zip(bsds300.sample(), bsds300.folders(str(real_data / "bsds300"), False), strict=True):
        files = image_files(few.high, few.key)
        for file, public in zip(files, image_files(whole.high, whole.key), strict=False):
            assert (file.name, file.read_bytes()) == (public.name, public.read_bytes())


@pytest.mark.parametrize("damage", ["cut", "removed", "added"])
def test_a_damaged_sample_is_named(tmp_path, damage):
    shutil.copytree(bsds300.SAMPLE_DIR, tmp_path / "sample")
    file = next((tmp_path / "sample" / "test").iterdir())
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "removed":
        file.unlink()
    else:
        shutil.copyfile(file, file.with_name("another.jpg"))
    with pytest.raises(BadInput, match=r"data=sample: .*test is missing|data=sample: a file in .*test is missing"):
        bsds300.sample(tmp_path / "sample")


def test_a_missing_set_is_named_with_both_remedies_in_two_lines(tmp_path):
    with pytest.raises(BadInput) as caught:
        bsds300.folders(str(tmp_path), download=False)
    first, second = str(caught.value).split("\n")
    assert str(tmp_path) in first
    assert "data=sample" in second
    assert "data.root=" in second


def test_a_failed_download_says_why_and_leaves_nothing_that_looks_like_the_set(tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise URLError("no route to host")

    monkeypatch.setattr(bsds300, "download_url", no_network)
    with pytest.raises(BadInput, match="no route to host") as caught:
        bsds300.folders(str(tmp_path / "new"), download=True)
    assert str(caught.value).count("\n") == 1
    assert "data=sample" in str(caught.value)
    assert {file.name for file in (tmp_path / "new").iterdir()} <= {".bsds300.lock"}


@pytest.fixture
def served_archive(tmp_path):
    """The address of an archive laid out like Berkeley's, with 200 and 100 tiny pictures, on this machine."""
    (tmp_path / "served").mkdir()
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(picture)
    with tarfile.open(tmp_path / "served" / "BSDS300-images.tgz", "w:gz") as file:
        for split, count in bsds300.COUNTS.items():
            for number in range(count):
                file.add(picture, f"BSDS300/images/{split}/{number}.jpg")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/BSDS300-images.tgz"
        server.shutdown()


def test_the_archive_is_fetched_once_and_laid_out(tmp_path, served_archive, monkeypatch):
    monkeypatch.setattr(bsds300, "URL", served_archive)
    root = tmp_path / "root"
    train, test = bsds300.folders(str(root), download=True)
    assert (train.high, test.high) == (root / "images" / "train", root / "images" / "test")
    assert {file.name for file in root.iterdir()} <= {"images", ".bsds300.lock"}
    monkeypatch.setattr(bsds300, "_fetch", lambda root: pytest.fail("is there already"))
    assert bsds300.folders(str(root), download=True) == (train, test)


def test_a_set_that_is_not_whole_is_named(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "images" / split).mkdir(parents=True)
    (tmp_path / "images" / "train" / "1.jpg").write_text("")
    with pytest.raises(BadInput, match="train holds 1 files instead of the 200") as caught:
        bsds300.folders(str(tmp_path), download=True)
    assert "data=folder" in str(caught.value)
