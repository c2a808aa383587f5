"""Image data sets in folders of the user: any folders, and DIV2K in its standard layout."""

from pathlib import Path

from experiments.errors import BadInput
from experiments.tasks.superres.batches import Source


def folders(train: str | None, test: str | None, train_lr: str | None, test_lr: str | None) -> tuple[Source, Source]:
    """(train, test): folders that the user names.

    Raises:
        BadInput: `train` or `test` is not given.
    """
    for key, folder in (("data.train", train), ("data.test", test)):
        if folder is None:
            raise BadInput(f"data=folder needs {key}; name a folder of high-resolution images with {key}=FOLDER")
    return _sources(Path(train), "data.train", train_lr, Path(test), "data.test", test_lr)


def div2k(root: str, train_lr: str | None, test_lr: str | None) -> tuple[Source, Source]:
    """(train, test): `root`/DIV2K_train_HR and `root`/DIV2K_valid_HR.

    Raises:
        BadInput: one of them is missing.
    """
    train, valid = Path(root, "DIV2K_train_HR"), Path(root, "DIV2K_valid_HR")
    for folder in (train, valid):
        if not folder.is_dir():
            raise BadInput(
                f"data.root={root}: {folder} is missing\nunpack {folder.name}.zip of "
                "https://data.vision.ee.ethz.ch/cvl/DIV2K/ into it, or name the folder that holds it with data.root=…"
            )
    return _sources(train, "data.root", train_lr, valid, "data.root", test_lr)


def _sources(
    train: Path, train_key: str, train_lr: str | None, test: Path, test_key: str, test_lr: str | None
) -> tuple[Source, Source]:
    return (
        Source(train, train_key, Path(train_lr) if train_lr else None, "data.train_lr"),
        Source(test, test_key, Path(test_lr) if test_lr else None, "data.test_lr"),
    )
