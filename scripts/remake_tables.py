"""Makes the committed tables again: for each ledger under results/, every command that its tables name.

python scripts/remake_tables.py
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def commands_of(tables: Path) -> list[list[str]]:
    """The arguments of make_tables.py by which the Markdown tables of a folder were made, each once."""
    pages = [page.read_text(encoding="utf-8") for page in sorted(tables.glob("*.md"))]
    commands = {page.partition("Made by\n\n```bash\n")[2].partition("\n")[0] for page in pages}
    return sorted(shlex.split(command)[2:] for command in commands)


def make_tables(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs make_tables.py from the root of the repository."""
    command = [sys.executable, "scripts/make_tables.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def main() -> int:
    """Makes them; returns the exit code of the first command that fails."""
    for ledger in sorted((ROOT / "results").rglob("ledger.csv")):
        for arguments in commands_of(ledger.parent / "tables"):
            done = make_tables(arguments)
            if done.returncode:
                print(done.stderr, end="", file=sys.stderr)
                return done.returncode
            print(ledger.parent.relative_to(ROOT) / "tables")
    return 0


if __name__ == "__main__":
    sys.exit(main())
