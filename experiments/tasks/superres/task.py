"""Single-image super-resolution."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from carelu import ActivationFactory
from experiments.configuration.schema import Config
from experiments.distributed.processes import all_reduce_sum
from experiments.errors import BadInput
from experiments.files import write_files
from experiments.record.run_directory import PICTURE
from experiments.tasks.contract import Answer, Splits, Task, model_from_config
from experiments.tasks.fingerprint import fingerprint, of_files
from experiments.tasks.image_files import read_images
from experiments.tasks.predictions import in_data_order
from experiments.tasks.superres import bsds300, image_folders
from experiments.tasks.superres.batches import (
    Batch,
    EvaluationPairs,
    Pairs,
    PatchAugmentation,
    Source,
    TrainingPatches,
    files_of,
    load_pairs,
)
from experiments.tasks.superres.comparison_strip import comparison_strip, most_telling_crop
from experiments.tasks.superres.edsr import edsr
from experiments.tasks.superres.espcn import espcn
from experiments.tasks.superres.image_quality import (
    EQUAL_IMAGES_DB,
    WINDOW_SIZE,
    luma,
    peak_signal_noise_ratio,
    shaved,
    structural_similarity,
)
from experiments.tasks.superres.resize import bicubic, to_uint8
from experiments.tasks.superres.spec import SPEC, ImageData

MODELS = {"edsr": edsr, "espcn": espcn}
"""By `model.architecture`."""

SOURCES = {
    "bsds300": bsds300.folders,
    "sample": bsds300.sample,
    "div2k": image_folders.div2k,
    "folder": image_folders.folders,
}
"""Loaders of (train, test), by `data.source`; their arguments are the further keys of `data`."""


class SuperResolution(Task):
    """Upscaling of low-resolution RGB images, evaluated by the PSNR of the luma."""

    spec = SPEC

    def __init__(self, config: Config):
        super().__init__(config)
        self.scale = config.task.scale
        self.memory_format = torch.channels_last if config.trainer.channels_last else torch.contiguous_format

    def build_data(self, config: Config, device: torch.device) -> Splits:
        data, trainer = config.data, config.trainer
        train, tests = _sources(data)
        parts = self._load_tests(tests, device)
        patch = config.task.patch
        why = f"task.patch={patch} at task.scale={self.scale}"
        smallest = max(patch * self.scale, self._smallest_test) if data.held_out else patch * self.scale
        for_training = load_pairs(train, self.scale, smallest, why, device)
        if data.held_out:
            try:
                for_training, parts["validation"] = for_training.split(data.held_out)
            except ValueError as error:
                raise BadInput(f"data.held_out={data.held_out} is not accepted; accepted: {error}") from error
        evaluation = {name: EvaluationPairs(pairs, trainer.evaluation_batch_size) for name, pairs in parts.items()}
        patches = TrainingPatches(
            for_training,
            self.scale,
            patch,
            trainer.batch_size,
            config.task.steps_per_epoch,
            PatchAugmentation(**config.task.augmentation.model_dump()),
        )
        return Splits(patches, evaluation)

    def build_evaluation(self, config: Config, device: torch.device) -> dict[str, Iterable[Batch]]:
        data = config.data
        if data.held_out:  # a part of the training images
            return super().build_evaluation(config, device)
        if getattr(data, "train", "") is None:  # nothing is trained, so a folder to test on is enough
            data = data.model_copy(update={"train": data.test})
        parts = self._load_tests(_sources(data)[1], device)
        return {name: EvaluationPairs(pairs, config.trainer.evaluation_batch_size) for name, pairs in parts.items()}

    @property
    def _smallest_test(self) -> int:
        """The least height and width of a test image, in pixels."""
        return WINDOW_SIZE + 2 * self.scale

    def _load_tests(self, tests: dict[str, Source], device: torch.device) -> dict[str, Pairs]:
        needed = (self.scale, self._smallest_test, f"SSIM at task.scale={self.scale}", device)
        return {name: load_pairs(source, *needed) for name, source in tests.items()}

    def data_fingerprint(self, config: Config) -> str:
        train, tests = _sources(config.data)
        return fingerprint(
            text
            for name, source in {"train": train, **tests}.items()
            for role, files in files_of(source)
            for text in (name, role, *of_files(files))
        )

    def build_model(self, config: Config, activation: ActivationFactory) -> nn.Module:
        return model_from_config(MODELS, config, activation=activation, scale=self.scale)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], int]:
        """The mean absolute error of RGB in [0, 1]; psnr is that of the unrounded RGB patches, in dB."""
        low, high = batch
        output, target = model(self._scaled(low)), self._scaled(high)
        squared_error = (output.detach() - target).square().flatten(1).mean(1)
        psnr = (-10 * torch.log10(squared_error)).clamp(max=EQUAL_IMAGES_DB).mean()
        return F.l1_loss(output, target), {"psnr": psnr}, len(low)

    def evaluate(self, model: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Means over the images of the metrics of `experiments.tasks.superres.image_quality`, on the output as uint8.

        psnr_y (dB) and ssim_y are those of the luma, psnr_rgb (dB) that of the three channels,
        bicubic_psnr_y (dB) that of bicubic up-scaling; each without a border of `scale` pixels.
        """
        totals, count = torch.zeros(4, dtype=torch.float64), 0
        for low, high in batches:
            output, target = (shaved(each, self.scale) for each in (self._enlarged(model, low), high))
            output_y, target_y = luma(output), luma(target)
            bicubic_y = luma(shaved(bicubic(low, self.scale), self.scale))
            values = [
                peak_signal_noise_ratio(output_y, target_y),
                structural_similarity(output_y, target_y),
                peak_signal_noise_ratio(output, target),
                peak_signal_noise_ratio(bicubic_y, target_y),
            ]
            sums = torch.stack(values).sum(1)
            totals = totals.to(sums.device) + sums
            count += len(low)
        totals, count = all_reduce_sum(totals, count)
        means = (totals / count).tolist()
        return dict(zip(("psnr_y", "ssim_y", "psnr_rgb", "bicubic_psnr_y"), means, strict=True))

    def write_artifacts(self, model: nn.Module, splits: Splits, folder: Path) -> list[Path]:
        """comparison.png: the first test image at low resolution, by bicubic, by the model, and the original.

        The framed part is where bicubic has the largest error.
        """
        low, high = (side[:1] for side in next(iter(splits.evaluation["test"])))
        versions = {
            f"low resolution, 1/{self.scale}": low.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3),
            "bicubic": bicubic(low, self.scale),
            "output": self._enlarged(model, low),
        }
        framed = most_telling_crop(versions["bicubic"][0], high[0])
        file = folder / PICTURE
        images = {name: image[0] for name, image in versions.items()}
        comparison_strip(images, high[0], framed, self.scale).save(file)
        return [file]

    def predictions(self, model: nn.Module, batches: EvaluationPairs) -> dict[str, np.ndarray]:
        """psnr_y (float32, dB) of each image, as in `evaluate`."""
        values = []
        for low, high in batches:
            output_y, target_y = (luma(shaved(each, self.scale)) for each in (self._enlarged(model, low), high))
            values.append(peak_signal_noise_ratio(output_y, target_y).float())
        return {"psnr_y": in_data_order(torch.cat(values).cpu().numpy(), batches.places)}

    def predict(self, model: nn.Module, files: Sequence[Path], out: Path) -> list[Answer]:
        """Each picture enlarged, as `<name>_x<scale>.png` in `out`."""
        device = next(model.parameters()).device
        answers = []
        for file in files:
            (image,) = read_images([file])
            large = self._enlarged(model, image.unsqueeze(0).to(device))[0].to(torch.uint8)
            target = out / f"{file.stem}_x{self.scale}.png"
            content = io.BytesIO()
            Image.fromarray(large.permute(1, 2, 0).contiguous().cpu().numpy()).save(content, format="PNG")
            write_files({target: content.getvalue()})
            answers.append(Answer(str(file), str(target)))
        return answers

    def _scaled(self, images: Tensor) -> Tensor:
        """uint8 as float32 in [0, 1], in the memory layout of the model."""
        return images.to(memory_format=self.memory_format).float() / 255

    def _enlarged(self, model: nn.Module, low: Tensor) -> Tensor:
        """The model's output for uint8 N×3×h×w as uint8 N×3×(scale h)×(scale w)."""
        return to_uint8(model(self._scaled(low)) * 255)


def _sources(data: ImageData) -> tuple[Source, dict[str, Source]]:
    """(the images to train on, those of each test set by its name), downloaded first if allowed and needed."""
    own = data.model_dump(exclude={"name", "source", "held_out", "test_sets", "test_root"})
    train, test = SOURCES[data.source](**own)
    root = data.test_root
    further = {name: Source(Path(root, name), f"data.test_root={root}") for name in data.test_sets}
    return train, {"test": test, **further}


TASK = SuperResolution
