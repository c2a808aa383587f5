"""A package of somebody else, as installing it leaves it: its files, and what its metadata offers."""

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, name: str, files: Mapping[str, str], entry_points: Mapping[str, str]) -> Path:
    """Writes the package `name` with `files` into `folder`, which goes on the path of modules.

    Args:
        folder: as site-packages is.
        name: of the distribution.
        files: path → text.
        entry_points: group → its line, like "softsign = somebody:Softsign".
    """
    information = folder / f"{name}-1.0.dist-info"
    sections = "".join(f"[{group}]\n{line}\n" for group, line in entry_points.items())
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    own = {information / "METADATA": metadata, information / "entry_points.txt": sections}
    for file, text in {**{folder / path: text for path, text in files.items()}, **own}.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder
