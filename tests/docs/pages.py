"""The pages that a person reads, and their blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "carelu/README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>.+?) -->\n)?^```(?P<language>\w+)(?P<rest>[^\n]*)\n(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: Path
    line: int
    language: str
    title: str
    """The file that the block is the content of; "" where it is none."""
    mark: str
    """What the comment before it says, like "needs Slurm"; "" where there is none."""
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of a page in a language, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        if match["language"] == language:
            title = re.search(r'title="(.+?)"', match["rest"])
            line = text.count("\n", 0, match.start("code"))
            found.append(Block(page, line, language, title[1] if title else "", match["mark"] or "", match["code"]))
    return found


def commands(block: Block) -> list[str]:
    """The command lines of a shell block, without comments."""
    lines = (re.sub(r"\s+#.*$", "", line).strip() for line in block.code.splitlines())
    return [part for line in lines if line for part in re.split(r"\s+&&\s+", line)]
