"""What the front page has to be; tests/docs runs its code and follows its links."""

import re

from tests.conftest import ROOT
from tests.docs.pages import blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_front_page_is_short():
    assert len(README.splitlines()) <= 130


def test_its_first_command_compares_and_its_second_runs_the_tests():
    first, second = (block.code for block in blocks(ROOT / "README.md", "bash")[:2])
    assert "run.py -m" in first and "act=relu,carelu" in first and "data=sample" in first
    assert second.rstrip().endswith("pytest -n auto")


def test_its_results_are_between_markers_for_the_script_that_writes_them():
    (results,) = re.findall(r"<!-- results -->\n(.+?)<!-- /results -->", README, re.S)
    assert "| carelu |" in results.lower()


def test_its_picture_is_an_svg_that_is_committed_beside_its_png():
    (picture,) = re.findall(r"!\[[^\]]+\]\((\S+\.svg)\)", README)
    assert (ROOT / picture).read_bytes().lstrip().startswith(b"<?xml")
    assert (ROOT / picture).with_suffix(".png").exists()


def test_it_says_that_no_licence_is_chosen():
    assert "No licence has been chosen yet" in README
