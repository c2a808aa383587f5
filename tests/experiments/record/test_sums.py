"""Checksums of a run's text files: an edit and damage are noticed, and an edit can be accepted."""

import shutil
import subprocess

import pytest

from experiments.record.sums import SUMS, altered, note_on_altered, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json").write_text('{"seed": 1}')
    (tmp_path / "b.jsonl").write_text("1\n2\n")
    write_sums(tmp_path, ["a.json", "b.jsonl", "absent.json"], {"c.json": b"{}"})
    (tmp_path / "c.json").write_bytes(b"{}")
    return tmp_path


def test_what_the_run_wrote_is_not_altered(folder):
    assert altered(folder) == []
    assert note_on_altered(folder) == ""


def test_one_digit_in_the_place_of_another_is_noticed_with_the_way_to_accept_it(folder):
    (folder / "a.json").write_text('{"seed": 2}')
    assert altered(folder) == ["a.json"]
    assert f"a.json of {folder} is not as the run wrote it" in note_on_altered(folder)
    assert f"delete its {SUMS} to accept an edit" in note_on_altered(folder)
    (folder / SUMS).unlink()
    assert altered(folder) == []


def test_files_that_are_written_later_and_files_that_are_lost_count(folder):
    (folder / "b.jsonl").unlink()
    (folder / "c.json").write_text("[]")
    assert altered(folder) == ["b.jsonl", "c.json"]
    assert note_on_altered(folder).startswith(f"b.jsonl, c.json of {folder} are not as the run wrote them: ")


def test_what_stands_after_a_damaged_line_is_looked_at_as_well(folder):
    (folder / SUMS).write_text("nonsense\n" + (folder / SUMS).read_text())
    (folder / "c.json").write_text("[]")
    assert altered(folder) == [SUMS, "c.json"]


def test_a_file_of_checksums_that_cannot_be_read_counts_as_altered(folder):
    (folder / SUMS).unlink()
    (folder / SUMS).mkdir()
    assert altered(folder) == [SUMS]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"nonsense\n", b"0  ../a.json\n", b"0  \n"])
def test_a_damaged_file_of_checksums_is_named_and_no_file_elsewhere_is_read(folder, content):
    (folder / SUMS).write_bytes(content)
    assert altered(folder) == [SUMS]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum on this machine")
def test_the_usual_command_reads_it(folder):
    def command():
        return subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=folder, capture_output=True, text=True)

    assert command().returncode == 0
    (folder / "a.json").write_text("{}")
    assert command().returncode == 1 and "a.json: FAILED" in command().stdout
