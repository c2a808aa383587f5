"""BSDS300 (Martin et al. 2001), 200 training and 100 test photographs: the archive, and the bundled sample of it."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import filelock
from torchvision.datasets.utils import download_url

from experiments.errors import BadInput, one_line
from experiments.tasks.downloads import connection_timeout, unpack
from experiments.tasks.superres.batches import Source

URL = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/bsds/BSDS300-images.tgz"
COUNTS = {"train": 200, "test": 100}

SAMPLE_DIR = Path(__file__).parent / "sample"
SAMPLE_CHECKSUMS = {
    "train": "69d11f8e2d86f7961c2421103b4dac1daf14cf0d3a50beaecd53e2a2d604fa05",
    "test": "156683792d15cd858247d12afa0a46d281f90a32e385af04f8ecee80ab229646",
}
"""SHA-256 of the sample's folders, as `scripts/make_bsds300_sample.py` prints them."""


def folders(root: str, download: bool) -> tuple[Source, Source]:
    """(train, test): `root`/images/train and `root`/images/test, downloaded first if allowed and needed.

    Raises:
        BadInput: the set is missing and cannot be downloaded, or is incomplete.
    """
    if not _found(root):
        choices = (
            "use the bundled sample with data=sample, or name a folder that holds images/train and images/test "
            "with data.root=…"
        )
        if not download:
            raise BadInput(f"data.root={root}: BSDS300 is missing, and data.download=false\n{choices}")
        try:
            _fetch(Path(root))
        except (OSError, RuntimeError, EOFError) as error:
            reason = one_line(error)
            raise BadInput(
                f"data.root={root}: BSDS300 is missing, and it cannot be downloaded: {reason}\n{choices}"
            ) from error
    images = Path(root, "images")
    for split, count in COUNTS.items():
        found = len(list(images.joinpath(split).glob("[!.]*")))
        if found != count:
            raise BadInput(
                f"data.root={root}: {images / split} holds {found} files instead of the {count} of BSDS300\n"
                f"delete {images} and run again to download it, or use it unchanged with data=folder "
                f"data.train={images / 'train'} data.test={images / 'test'}"
            )
    return Source(images / "train", "data.root"), Source(images / "test", "data.root")


def _found(root: str) -> bool:
    return all(Path(root, "images", split).is_dir() for split in COUNTS)


def _fetch(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(root / ".bsds300.lock"):  # of two concurrent first runs one downloads, one waits
        if _found(str(root)):
            return
        with connection_timeout(), tempfile.TemporaryDirectory(dir=root, prefix=".part-") as part:
            download_url(URL, part)  # Berkeley publishes no checksum; the content is part of a run's identity
            unpack(Path(part, URL.rpartition("/")[2]), Path(part))
            # Moved only when complete, so that a broken download is never taken for the set.
            shutil.move(Path(part, "BSDS300", "images"), root / "images")


def sample(folder: Path = SAMPLE_DIR) -> tuple[Source, Source]:
    """(train, test): the bundled 40 and 8 images.

    Raises:
        BadInput: a file is missing or damaged.
    """
    for split, checksum in SAMPLE_CHECKSUMS.items():
        if folder_checksum(folder / split) != checksum:
            raise BadInput(
                f"data=sample: a file in {folder / split} is missing, damaged or new; "
                f"restore the folder with: git checkout -- {folder / split}"
            )
    return Source(folder / "train", "data=sample"), Source(folder / "test", "data=sample")


def folder_checksum(folder: Path) -> str:
    """SHA-256 over the names and contents of the files in `folder`, in the order of their names."""
    checksum = hashlib.sha256()
    for file in sorted(folder.glob("[!.]*")):
        checksum.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return checksum.hexdigest()
