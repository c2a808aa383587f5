"""Folders that are made once, and are whole or made again."""

import pytest

from experiments.errors import BadInput
from experiments.tasks.text.cache import cached_folder, content_key


@pytest.fixture
def built():
    return []


@pytest.fixture
def build(built):
    def write(folder):
        built.append(folder)
        (folder / "first").write_text("one")
        (folder / "second").write_text("two")

    return write


def test_a_folder_is_built_once(tmp_path, build, built):
    first, again = (cached_folder(tmp_path, "name", build) for _ in range(2))
    assert first == again == tmp_path / "name"
    assert (again / "second").read_text() == "two"
    assert len(built) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text('{"first": "2c2'),
        lambda folder: (folder / "second").unlink(),
        lambda folder: (folder / "second").write_text("t"),
    ],
)
def test_a_half_written_folder_is_built_again(tmp_path, build, built, damage):
    folder = cached_folder(tmp_path, "name", build)
    damage(folder)
    cached_folder(tmp_path, "name", build)
    assert (folder / "second").read_text() == "two"
    assert len(built) == 2


def test_a_build_that_fails_leaves_no_folder_and_the_next_one_cleans_up(tmp_path, build):
    def fails(folder):
        (folder / "first").write_text("one")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        cached_folder(tmp_path, "name", fails)
    assert not (tmp_path / "name").exists()
    cached_folder(tmp_path, "name", build)
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == ["name"]


def test_a_cache_that_cannot_be_written_is_named(tmp_path, build):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"data\.cache=.*file cannot be written: .*; name another folder"):
        cached_folder(tmp_path / "file", "name", build)


def test_a_key_depends_on_every_part_and_on_where_it_ends():
    keys = {content_key("ab", "c"), content_key("a", "bc"), content_key("abc"), content_key("ab", "d")}
    assert len(keys) == 4
    assert content_key("ab", b"c") == content_key("ab", "c")
