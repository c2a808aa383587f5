"""The reference loops: a minimal PyTorch script for CIFAR-100, and texts padded to the longest of the set."""

from collections.abc import Callable, Iterator

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from carelu import ActivationFactory
from experiments.benchmarking.timed_run import MANY_STEPS, EvaluateBatches, StepTimer, Timing, TrainSteps
from experiments.configuration.composition import compose
from experiments.configuration.schema import validate
from experiments.distributed.sharding import WHOLE, Shard
from experiments.randomness import generator
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.batches import LabelledImages
from experiments.tasks.cifar100.spec import CIFAR100Data
from experiments.tasks.cifar100.task import SOURCES
from experiments.tasks.contract import build_task
from experiments.tasks.text.batches import TextBatch, TextBatches
from experiments.training.resolution import resolve_auto


class PilImages(Dataset):
    """CIFAR-100 as torchvision's dataset gives it: a PIL image made from an array, then transforms.

    Args:
        data: the images.
        augmentation: options of `experiments.tasks.cifar100.batches.Augmentation`.
    """

    def __init__(self, data: LabelledImages, augmentation: dict[str, object]):
        self.images = data.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = data.labels.tolist()
        steps = [transforms.RandomCrop(cifar100.TILE, padding=augmentation["crop_padding"])]
        if augmentation["flip"]:
            steps.append(transforms.RandomHorizontalFlip())
        if augmentation["rotation_degrees"]:
            steps.append(transforms.RandomRotation(augmentation["rotation_degrees"]))
        self.transform = transforms.Compose(
            [*steps, transforms.ToTensor(), transforms.Normalize(cifar100.MEAN, cifar100.STD)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def training_images(data: CIFAR100Data) -> LabelledImages:
    """The training images that `data`, a configuration of configs/data/cifar100, describes.

    Raises:
        BadInput: they are missing.
    """
    train, _ = SOURCES[data.source](data)
    return train


def train_reference_loop(
    receive: Callable[[], TrainSteps | EvaluateBatches],
    send: Callable[[Timing], None],
    overrides: list[str],
    processes: int,
) -> None:
    """Trains like a minimal PyTorch script for CIFAR-100, some steps for each request, until one is not a `TrainSteps`.

    torchvision's transforms in the processes of a DataLoader, float32, contiguous, `loss.item()` after each step.
    Model, batch size, optimiser and augmentation are those of `overrides`, as on the command line of `run.py`.
    """
    cfg, _ = compose(overrides)
    cfg = resolve_auto(validate(cfg))
    device = torch.device(cfg.trainer.device)
    images = PilImages(training_images(cfg.data), cfg.task.augmentation.model_dump())
    # One long epoch: starting the processes for each would make it even slower, most of all on a small dataset.
    sampler = RandomSampler(images, num_samples=MANY_STEPS * cfg.trainer.batch_size)
    loader = iter(DataLoader(images, cfg.trainer.batch_size, sampler=sampler, num_workers=processes))
    factory = ActivationFactory(cfg.act.name, **cfg.act.options)
    model = build_task(cfg).build_model(cfg, factory).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    timer = StepTimer(receive, send)
    timer.device = device
    model.train()
    while isinstance(request := timer.next_request(), TrainSteps):
        timer.begin(request.split)
        for _ in range(request.steps):
            inputs, labels = (each.to(device) for each in next(loader))
            timer.mark("data")
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            timer.mark("forward")
            loss.backward()
            timer.mark("backward")
            optimizer.step()
            timer.mark("optimiser")
            loss.item()
            timer.mark("other")
        timer.end(request.steps * cfg.trainer.batch_size)


class PaddedBatches:
    """Texts in a random order, each batch as long as the longest text of the whole set.

    Args:
        batches: the suite's own; these have the same texts and the same number of texts in a batch at most.
    """

    def __init__(self, batches: TextBatches):
        self.batches = batches
        self.length = int(batches.data.lengths.max())

    def __len__(self) -> int:
        return -(-len(self.batches.data) // self.batches.batch_size)

    @property
    def smallest(self) -> int:
        return len(self.batches.data) % self.batches.batch_size or self.batches.batch_size

    def epoch(self, seed: int, epoch: int, start: int = 0, shard: Shard = WHOLE) -> Iterator[TextBatch]:
        order = torch.randperm(len(self.batches.data), generator=generator("cpu", seed, epoch, "order")).numpy()
        for step in range(start, len(self)):
            chosen = order[step * self.batches.batch_size : (step + 1) * self.batches.batch_size]
            chosen = chosen[shard.of(len(chosen))]
            yield self.batches.of_texts(chosen, self.length)
