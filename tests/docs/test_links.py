"""Links and pictures of the pages that are read in the repository; those of the site are checked by its build."""

import re

import pytest

from tests.conftest import ROOT
from tests.docs.pages import PAGES

READ_HERE = [*PAGES, ROOT / "CHANGELOG.md"]
GENERATED = ROOT / "docs/activations"


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", READ_HERE, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() or GENERATED in target.parents
        if not is_there or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []
