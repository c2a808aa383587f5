"""CIFAR-100 image classification."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carelu import ActivationFactory
from experiments.configuration.options import DataOptions
from experiments.configuration.schema import Config
from experiments.distributed.processes import all_reduce_sum
from experiments.errors import BadInput
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.batches import Augmentation, Batch, ImageBatches, LabelledImages
from experiments.tasks.cifar100.classes import NAMES
from experiments.tasks.cifar100.resnet import resnet18
from experiments.tasks.cifar100.spec import IMAGE_SIDE, SPEC
from experiments.tasks.contract import Answer, Splits, Task, model_from_config
from experiments.tasks.image_files import read_images
from experiments.tasks.predictions import classified

MODELS = {"resnet18": resnet18}
"""By `model.architecture`."""

SOURCES: dict[str, Callable[[DataOptions], tuple[LabelledImages, LabelledImages]]] = {
    "torchvision": lambda data: cifar100.load(data.root, data.download),
    "sample": lambda data: cifar100.load_sample(),
}
"""Readers of (train, test), by `data.source`."""


class CIFAR100(Task):
    """100 classes, evaluated by top-1 accuracy on the test images."""

    spec = SPEC

    def build_data(self, config: Config, device: torch.device) -> Splits:
        data, trainer = config.data, config.trainer
        train, test = SOURCES[data.source](data)
        parts = {"test": test}
        if data.held_out:
            try:
                train, parts["validation"] = train.split(data.held_out)
            except ValueError as error:
                raise BadInput(f"data.held_out={data.held_out} is not accepted; accepted: {error}") from error
        normalisation = (cifar100.MEAN, cifar100.STD, trainer.channels_last)
        evaluation = {
            name: ImageBatches(part.to(device), trainer.evaluation_batch_size, *normalisation)
            for name, part in parts.items()
        }
        augmentation = Augmentation(**config.task.augmentation.model_dump())
        return Splits(ImageBatches(train.to(device), trainer.batch_size, *normalisation, augmentation), evaluation)

    def data_fingerprint(self, config: Config) -> str:
        return cifar100.data_fingerprint(config.data.source)

    def build_model(self, config: Config, activation: ActivationFactory) -> nn.Module:
        return model_from_config(MODELS, config, activation=activation, num_classes=cifar100.CLASSES)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        images, labels = batch
        logits = model(images)
        top1 = (logits.detach().argmax(1) == labels).float().mean() * 100
        return (
            F.cross_entropy(logits, labels, label_smoothing=self.config.task.label_smoothing),
            {"top1": top1},
            len(labels),
        )

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """top1 and top5 in percent, loss as mean cross-entropy in nats, over all images."""
        totals, count = torch.zeros(3, dtype=torch.float64), 0
        for images, labels in batches:
            logits = model(images).float()
            hits = _most_likely(logits) == labels.unsqueeze(1)
            cross_entropy = F.cross_entropy(logits, labels, reduction="sum")
            sums = torch.stack([hits[:, 0].sum(), hits.any(1).sum(), cross_entropy])
            totals = totals.to(sums.device) + sums
            count += len(labels)
        totals, count = all_reduce_sum(totals, count)
        top1, top5, cross_entropy = totals.tolist()
        return {"top1": 100 * top1 / count, "top5": 100 * top5 / count, "loss": cross_entropy / count}

    def predictions(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, np.ndarray]:
        def outcome(batch: Batch) -> tuple[Tensor, Tensor]:
            images, labels = batch
            return _most_likely(model(images).float())[:, 0], labels

        return classified(batches, outcome, cifar100.CLASSES)

    def predict(self, model: nn.Module, files: Sequence[Path], out: Path) -> list[Answer]:
        """The most likely class of each picture; one of another size is cut to a square and made 32×32 pixels."""
        tiles = torch.stack([_as_tile(image) for image in read_images(list(files))])
        images = LabelledImages(tiles, torch.zeros(len(files), dtype=torch.int64))
        trainer, device = self.config.trainer, next(model.parameters()).device
        normalisation = (cifar100.MEAN, cifar100.STD, trainer.channels_last)
        batches = ImageBatches(images.to(device), trainer.evaluation_batch_size, *normalisation)
        probabilities = torch.cat([model(batch).float().softmax(1).cpu() for batch, _ in batches])
        best, labels = probabilities.max(1)
        found = zip(files, labels.tolist(), best.tolist(), strict=True)
        return [Answer(str(file), NAMES[label], probability) for file, label, probability in found]


def _as_tile(image: Tensor) -> Tensor:
    """uint8 3×H×W of any size as 3×32×32: the square in its middle, resampled with antialiasing."""
    side = min(image.shape[1:])
    top, left = ((size - side) // 2 for size in image.shape[1:])
    square = image[:, top : top + side, left : left + side]
    if side == IMAGE_SIDE:
        return square
    options = {"size": (IMAGE_SIDE, IMAGE_SIDE), "mode": "bicubic", "antialias": True, "align_corners": False}
    return F.interpolate(square.unsqueeze(0).float(), **options)[0].round().clamp(0, 255).to(torch.uint8)


def _most_likely(logits: Tensor) -> Tensor:
    """The five most likely classes of each image, the most likely first; int64 N×5."""
    return logits.topk(5).indices


TASK = CIFAR100
