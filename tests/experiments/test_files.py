"""Files are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from experiments.errors import BadInput
from experiments.files import csv_text, write_atomically, write_files


def test_the_content_is_on_the_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    file, events = tmp_path / "file", []
    file.write_bytes(b"old")
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def watched_fsync(descriptor):
        events.append(("synced", os.fstat(descriptor).st_size, file.read_bytes()))
        fsync(descriptor)

    def watched(move):
        def moved(source, target, **options):
            events.append(("moved", Path(target).name))
            move(source, target, **options)

        return moved

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched(replace))
    monkeypatch.setattr(os, "rename", watched(rename))
    write_atomically(file, b"longer than before")
    assert events[0] == ("synced", len(b"longer than before"), b"old")
    assert events[1] == ("moved", "file")
    assert file.read_bytes() == b"longer than before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, failing):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, failing, no_room)
    with pytest.raises(BadInput, match=r"file cannot be written: No space left on device.*output_root=") as caught:
        write_atomically(file, b"new")
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere/file cannot be written: No such file"):
        write_atomically(tmp_path / "nowhere" / "file", b"new")


def test_files_are_written_into_folders_made_for_them(tmp_path):
    contents = {tmp_path / "a" / "b" / "one": b"1", tmp_path / "two": b"2"}
    assert write_files(contents) == list(contents)
    assert {file: file.read_bytes() for file in contents} == contents


def test_a_file_where_a_folder_must_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file/folder cannot be written: Not a directory; .* --out"):
        write_files({tmp_path / "file" / "folder" / "one": b""})


def test_the_old_content_is_kept_where_it_is_wanted(tmp_path):
    file, previous = tmp_path / "file", tmp_path / "previous"
    for content in (b"first", b"second", b"third"):
        write_atomically(file, content, previous)
    assert (file.read_bytes(), previous.read_bytes()) == (b"third", b"second")


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay_as_they_are():
    cells = ["=1+1", "+cmd", "-x", "@sum", "\tx", "text", "-0.5", "+1e-3", -2.5, 3, "a=b", None]
    assert csv_text([cells]) == "'=1+1,'+cmd,'-x,'@sum,'\tx,text,-0.5,+1e-3,-2.5,3,a=b,\n"
