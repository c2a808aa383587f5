"""Fingerprints of data: short hashes of its content, whatever folder it is in."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DIGITS = 12
"""Hexadecimal digits of a fingerprint."""


def fingerprint(parts: Iterable[str]) -> str:
    """A fingerprint of texts, like the checksums of files, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:DIGITS]


def of_files(files: Iterable[Path]) -> list[str]:
    """The name and the SHA-256 of each file, for `fingerprint`; names count because they order and pair the files."""
    files = list(files)
    with ThreadPoolExecutor() as pool:  # hashing leaves Python's lock
        checksums = list(pool.map(_checksum, files))
    return [text for file, checksum in zip(files, checksums, strict=True) for text in (file.name, checksum)]


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
