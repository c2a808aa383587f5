"""Folders of derived files, cached by content hash and written atomically."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import filelock

from experiments.errors import BadInput

MANIFEST = "manifest.json"
"""Lists the other files of a folder and their SHA-256; written last."""


def content_key(*parts: str | bytes) -> str:
    """A name for what is derived from `parts`: 16 hexadecimal digits of their SHA-256."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16]


def cached_folder(root: Path, name: str, build: Callable[[Path], None]) -> Path:
    """The folder `root`/`name`, made by `build(folder)` if it is missing, incomplete or damaged.

    Raises:
        BadInput: `root` cannot be written.
    """
    folder = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(root / f".{name}.lock"):  # of two concurrent first runs one builds, one waits
            if not is_whole(folder):
                for left_over in [folder, *root.glob(f"{name}.part*")]:
                    shutil.rmtree(left_over, ignore_errors=True)
                part = Path(tempfile.mkdtemp(prefix=f"{name}.part", dir=root))
                build(part)
                checksums = {file.name: _checksum(file) for file in sorted(part.iterdir())}
                (part / MANIFEST).write_text(json.dumps(checksums, indent=2) + "\n", encoding="utf-8")
                part.chmod(0o755)  # mkdtemp's folders are private to their owner
                part.rename(folder)
    except OSError as error:
        raise BadInput(
            f"data.cache={root} cannot be written: {error.strerror or error}; name another folder with data.cache=…"
        ) from error
    return folder


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds every file of its manifest, unchanged."""
    try:
        checksums = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return all(_checksum(folder / name) == checksum for name, checksum in checksums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
