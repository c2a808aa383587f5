"""What CIFAR-100 tells the suite of itself, without torch: metrics, margin, options."""

from typing import Annotated

from pydantic import Field

from experiments.configuration.options import (
    Count,
    DataOptions,
    Folder,
    ModelOptions,
    NonNegativeInteger,
    Options,
    Share,
    TaskOptions,
)
from experiments.configuration.task_spec import TORCHVISION, Benchmark, Metric, TaskSpec

IMAGE_SIDE = 32
"""Height and width of an image, in pixels."""


class AugmentationOptions(Options):
    """`task.augmentation.*`."""

    crop_padding: Annotated[int, Field(ge=0, lt=IMAGE_SIDE)]
    flip: bool
    rotation_degrees: Annotated[float, Field(ge=0, le=180)]


class CIFAR100Options(TaskOptions):
    """`task.*`."""

    label_smoothing: Share
    augmentation: AugmentationOptions


class CIFAR100Data(DataOptions):
    """`data.*` of every source."""

    root: Folder
    held_out: NonNegativeInteger

    def validation_keys(self) -> dict[str, bool]:
        return {"data.held_out": self.held_out > 0}


class TorchvisionData(CIFAR100Data):
    """`data.*` of the whole set."""

    download: bool


class ResNetOptions(ModelOptions):
    """`model.*` of ResNet-18."""

    width: Count


SPEC = TaskSpec(
    name="cifar100",
    title="CIFAR-100",
    headline="top1",
    metrics={
        "top1": Metric("top-1 accuracy", "%", 2, higher_is_better=True, best_possible=100.0, chance=1.0),
        "top5": Metric("top-5 accuracy", "%", 2, higher_is_better=True, best_possible=100.0, chance=5.0),
        "loss": Metric("loss", "", 4, higher_is_better=False, best_possible=0.0),
    },
    margin=0.5,
    task=CIFAR100Options,
    data={"torchvision": TorchvisionData, "sample": CIFAR100Data},
    models={"resnet18": ResNetOptions},
    benchmark=Benchmark(
        "images",
        lambda batch: len(batch[1]),
        data={"cifar-100-python": ("data=full", "data.root={root}")},
        reference_loop=TORCHVISION,
        targets={
            "time_ratio": 1.05,
            "memory_ratio": 1.35,
            "speedup": 2.5,
            "speedup_on_gpu": 5,
            "minutes_for_200_epochs_on_gpu": 10,
        },
        full_size=(50_000, 10_000),
    ),
    model_titles={"resnet18": "ResNet-18"},
    data_titles={"cifar100": "CIFAR-100", "cifar100-sample": "CIFAR-100 (sample)"},
)
