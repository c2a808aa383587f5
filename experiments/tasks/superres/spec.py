"""What super-resolution tells the suite of itself, without torch: metrics, margin, options."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from experiments.configuration.options import (
    Count,
    DataOptions,
    Depth,
    Folder,
    ModelOptions,
    Names,
    NonNegativeInteger,
    Options,
    Positive,
    TaskOptions,
)
from experiments.configuration.task_spec import Benchmark, Metric, TaskSpec
from experiments.errors import BadInput


def _not_test(names: list[str]) -> list[str]:
    if "test" in names:
        raise ValueError("test is the data set's own")
    return names


class AugmentationOptions(Options):
    """`task.augmentation.*`."""

    flip: bool
    quarter_turns: bool


class SuperResolutionOptions(TaskOptions):
    """`task.*`."""

    scale: Annotated[int, Field(ge=2, le=4, description="2, 3 or 4")]
    patch: Annotated[int, Field(ge=1, le=10_000)]
    steps_per_epoch: Annotated[int, Field(ge=1, le=10_000_000)]
    augmentation: AugmentationOptions


class ImageData(DataOptions):
    """`data.*` of every source."""

    held_out: NonNegativeInteger
    test_sets: Annotated[
        Names,
        AfterValidator(_not_test),
        Field(description="a list of different names other than test, like [set5,set14]"),
    ]
    test_root: Folder

    @model_validator(mode="after")
    def _has_one_validation_set(self) -> "ImageData":
        if self.held_out and "validation" in self.test_sets:
            raise BadInput(
                f"data.held_out={self.held_out} and validation in data.test_sets both name a validation set; "
                "leave one out: data.held_out=0, or another name of the test set"
            )
        return self

    def validation_keys(self) -> dict[str, bool]:
        return {"data.test_sets": "validation" in self.test_sets, "data.held_out": self.held_out > 0}


class BSDS300Data(ImageData):
    """`data.*` of BSDS300."""

    root: Folder
    download: bool


class DIV2KData(ImageData):
    """`data.*` of DIV2K."""

    root: Folder
    train_lr: Folder | None
    test_lr: Folder | None

    def locations(self) -> tuple[str, ...]:
        return ("data.train_lr", "data.test_lr")


class FolderData(ImageData):
    """`data.*` of folders of the user."""

    train: Folder | None
    test: Folder | None
    train_lr: Folder | None
    test_lr: Folder | None

    def locations(self) -> tuple[str, ...]:
        return ("data.train", "data.test", "data.train_lr", "data.test_lr")


class EDSROptions(ModelOptions):
    """`model.*` of EDSR."""

    blocks: Depth
    features: Count
    pixel_range: Positive


SPEC = TaskSpec(
    name="superres",
    title="Super-resolution",
    headline="psnr_y",
    metrics={
        "psnr_y": Metric("PSNR (luma)", "dB", 3, higher_is_better=True),
        "psnr_rgb": Metric("PSNR (RGB)", "dB", 3, higher_is_better=True),
        "bicubic_psnr_y": Metric("bicubic PSNR (luma)", "dB", 3, higher_is_better=True),
        "ssim_y": Metric("SSIM (luma)", "", 4, higher_is_better=True, best_possible=1.0),
    },
    margin=0.05,
    task=SuperResolutionOptions,
    data={"bsds300": BSDS300Data, "sample": ImageData, "div2k": DIV2KData, "folder": FolderData},
    models={"edsr": EDSROptions, "espcn": ModelOptions},
    benchmark=Benchmark(
        "patches",
        lambda batch: len(batch[0]),
        data={"bsds300/images": ("data=bsds300", "data.root={root}/bsds300")},
    ),
    model_titles={"edsr": "EDSR", "espcn": "ESPCN"},
    data_titles={"bsds300": "BSDS300", "bsds300-sample": "BSDS300 (sample)", "div2k": "DIV2K"},
)
