"""Super-resolution end to end: a run with every activation, resume, metrics by name, and what is refused."""

import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from carelu import ActivationFactory
from experiments.configuration.command_line import check_command
from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.tasks.superres.batches import TrainingPatches
from experiments.tasks.superres.image_quality import luma, peak_signal_noise_ratio, shaved, structural_similarity
from experiments.tasks.superres.resize import bicubic
from experiments.tasks.superres.task import SuperResolution
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import compose_run
from tests.experiments.training.test_run import assert_equal_runs, folder_of, metrics_of

SETTINGS = [
    *("task=superres", "data=folder", "recipe=small", "act=relu"),
    *("task.patch=6", "task.steps_per_epoch=3", "trainer.batch_size=2", "trainer.epochs=2", "trainer.evaluate_every=1"),
]
SMALL_EDSR = ["model.blocks=1", "model.features=4"]


def save_images(folder, sizes):
    """Smooth random pictures (height, width), as 0.png, 1.png and so on."""
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(0)
    for number, (height, width) in enumerate(sizes):
        coarse = torch.rand(1, 3, height // 6 + 2, width // 6 + 2, generator=draw) * 255
        image = F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
        pixels = image[0].permute(1, 2, 0).to(torch.uint8).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with train/, test/ and a further test set tiny/, images of several sizes."""
    folder = tmp_path_factory.mktemp("images")
    save_images(folder / "train", [(40, 50), (61, 42), (45, 45)])
    save_images(folder / "test", [(40, 50), (51, 42), (40, 50)])
    save_images(folder / "tiny", [(33, 40)])
    return folder


@pytest.fixture
def superres(images, tmp_path):
    """Performs a tiny run with further settings."""

    def perform_with(*overrides):
        places = [f"data.train={images / 'train'}", f"data.test={images / 'test'}", f"data.test_root={images}"]
        size = [] if any(each.startswith("model=espcn") for each in overrides) else SMALL_EDSR
        settings = [*SETTINGS, *size, *places, f"output_root={tmp_path / 'runs'}", *overrides]
        return Run(*compose_run(settings), Display()).complete()

    return perform_with


@pytest.mark.parametrize("model", ["edsr_small", "espcn"])
def test_a_competition_before_normalisation_is_refused_since_there_is_none(superres, model):
    with pytest.raises(BadInput, match=r"with act=carelu cannot be built: .*normalised"):
        superres("act=carelu", "act.options.competition_input=pre_norm", f"model={model}")


def test_held_out_images_are_evaluated_as_validation_and_not_trained_on(images, tmp_path):
    places = [f"data.train={images / 'train'}", f"data.test={images / 'test'}"]
    config = validate(compose([*SETTINGS, *SMALL_EDSR, *places, "data.held_out=1"])[0])
    splits = SuperResolution(config).build_data(config, torch.device("cpu"))
    (low, high) = next(iter(splits.evaluation["validation"]))
    assert len(low) == 1 and len(splits.train.low) == 2
    kept = splits.train.high.pixels
    assert len(kept) + high.numel() == 3 * (40 * 50 + 60 * 42 + 44 * 44)
    assert not any(torch.equal(part, high.flatten()) for part in kept.unfold(0, high.numel(), 3))


def test_holding_out_every_image_is_refused(superres):
    with pytest.raises(BadInput, match=r"^data\.held_out=3 .*accepted: a number below 3"):
        superres("data.held_out=3")


@pytest.mark.parametrize("scale", [3, 4])
def test_every_scale_trains(superres, scale):
    assert superres(f"task.scale={scale}", "task.patch=4", "trainer.max_steps=2").result["status"] == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("raised", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("number", [2, 3])
def test_a_resumed_run_equals_an_uninterrupted_run(superres, monkeypatch, tmp_path, number, raised):
    expected = superres("act=carelu", f"output_root={tmp_path / 'undisturbed'}")
    usual, drawn = TrainingPatches._batch, []

    def batch_and_signal(self, *arguments):
        drawn.append(1)
        if len(drawn) == number:
            signal.raise_signal(raised)
        return usual(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingPatches, "_batch", batch_and_signal)
        assert superres("act=carelu").result is None
    assert_equal_runs(superres("act=carelu"), expected)


def test_predictions_hold_the_psnr_of_each_image_in_the_order_of_the_files(superres, images, tmp_path):
    outcome = superres("data.test_sets=[tiny]")
    with np.load(folder_of(outcome) / "predictions.npz") as predictions:
        assert predictions["test/psnr_y"].dtype == np.float32
        together, tiny = predictions["test/psnr_y"], predictions["tiny/psnr_y"]
    assert together.mean() == pytest.approx(outcome.result["psnr_y"], rel=1e-6)
    assert tiny == pytest.approx([outcome.result["tiny/psnr_y"]], rel=1e-6)
    for number in range(3):
        alone = tmp_path / f"{number}"
        alone.mkdir()
        shutil.copy(images / "test" / f"{number}.png", alone)
        again = superres(f"data.test={alone}", f"output_root={tmp_path / 'alone'}")
        assert together[number] == pytest.approx(again.result["psnr_y"], rel=1e-5)


def test_the_record_names_the_metrics_of_every_test_set(superres):
    outcome = superres("data.test_sets=[tiny]")
    names = {"psnr_y", "ssim_y", "psnr_rgb", "bicubic_psnr_y"}
    assert names | {f"tiny/{name}" for name in names} <= outcome.result.keys()
    first, second = metrics_of(outcome)[1:]
    assert {"train/loss", "train/psnr"} <= first.keys()
    assert first["bicubic_psnr_y"] == second["bicubic_psnr_y"] > 20
    assert outcome.identity.data == "folder"
    assert outcome.identity.overrides["data.test_sets"] == ["tiny"]
    assert "data.test=" in outcome.identity.command


def test_a_set_named_validation_can_select_the_epoch(superres, images):
    if not (images / "validation").exists():
        save_images(images / "validation", [(40, 40)])
    outcome = superres("data.test_sets=[validation]", "trainer.selection=validation")
    best = max(metrics_of(outcome)[1:], key=lambda record: record["validation/psnr_y"])
    assert outcome.result["headline_value"] == best["psnr_y"]


def test_selection_without_a_validation_set_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"trainer\.selection=validation .*trainer\.selection=last"):
        check_command(["task=superres", "trainer.selection=validation", f"output_root={tmp_path}"])


class Repeated(nn.Module):
    """Each pixel `scale` times in both directions, brightened."""

    def __init__(self, scale, brighter=0.0):
        super().__init__()
        self.scale, self.brighter = scale, brighter

    def forward(self, images):
        return images.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3) + self.brighter


def config_of(*overrides):
    return validate(compose(["task=superres", *overrides])[0])


def task_of(*overrides):
    return SuperResolution(config_of(*overrides))


def test_metrics_are_means_over_images_of_shaved_rounded_outputs():
    draw = torch.Generator().manual_seed(0)
    batches = []
    for count, size in ((2, (8, 10)), (1, (9, 8))):
        low = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=draw)
        noise = torch.randint(-20, 21, (count, 3, size[0] * 2, size[1] * 2), generator=draw)
        high = (low.repeat_interleave(2, 2).repeat_interleave(2, 3) + noise).clamp(0, 255).to(torch.uint8)
        batches.append((low, high))
    metrics = task_of().evaluate(Repeated(2, brighter=3.3 / 255), batches)
    expected = {"psnr_y": [], "ssim_y": [], "psnr_rgb": [], "bicubic_psnr_y": []}
    for low, high in batches:
        output = (low.int() + 3).clamp(max=255).repeat_interleave(2, 2).repeat_interleave(2, 3)
        output, target = shaved(output, 2), shaved(high, 2)
        expected["psnr_y"] += peak_signal_noise_ratio(luma(output), luma(target)).tolist()
        expected["ssim_y"] += structural_similarity(luma(output), luma(target)).tolist()
        expected["psnr_rgb"] += peak_signal_noise_ratio(output, target).tolist()
        enlarged = luma(shaved(bicubic(low, 2), 2))
        expected["bicubic_psnr_y"] += peak_signal_noise_ratio(enlarged, luma(target)).tolist()
    for name, values in expected.items():
        assert metrics[name] == pytest.approx(sum(values) / 3, abs=1e-9)


def test_the_loss_is_the_mean_absolute_error_in_0_to_1():
    low = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    high = torch.full((2, 3, 8, 8), 151, dtype=torch.uint8)
    loss, metrics, examples = task_of().loss(Repeated(2), (low, high))
    assert (loss.item(), examples) == (pytest.approx(51 / 255), 2)
    assert metrics["psnr"].item() == pytest.approx(20 * np.log10(5), abs=1e-4)


def test_equal_patches_have_a_finite_psnr():
    low = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert task_of().loss(Repeated(2), (low, torch.zeros(1, 3, 8, 8, dtype=torch.uint8)))[1]["psnr"] == 100


def test_a_run_leaves_a_picture_that_compares_the_first_test_image(superres):
    outcome = superres("trainer.max_steps=1")
    (file,) = (folder_of(outcome) / "artifacts").iterdir()
    assert file.name == "comparison.png"
    with Image.open(file) as picture:
        assert picture.width > 4 * 400


def test_small_chooses_the_small_model_unless_another_is_asked_for():
    def model_of(*overrides):
        return identify(*compose(["task=superres", *overrides])).model

    assert model_of() == "edsr-16x64"
    assert model_of("recipe=small") == model_of("model=edsr_small") == "edsr-4x32"
    assert model_of("recipe=small", "model=espcn") == "espcn"
    assert model_of("recipe=small", "model.blocks=8") == "edsr-8x32"


def test_where_the_test_sets_are_does_not_change_what_a_run_is_but_which_they_are_does():
    def hash_of(*overrides):
        return identify(*compose(["task=superres", *overrides])).config_hash

    assert hash_of("data.test_root=elsewhere") == hash_of()
    assert hash_of("data.test_sets=[set5]") != hash_of()


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["task.scale=5"], r"task\.scale=5 is not accepted; accepted: 2, 3 or 4"),
        (["task.scale=2.0"], r"task\.scale=2\.0"),
        (["task.scale=1"], r"task\.scale=1"),
        (["task.patch=0"], r"task\.patch=0"),
        (["task.steps_per_epoch=0"], r"task\.steps_per_epoch=0"),
        (["data.test_sets=[test]"], "names other than test"),
        (["data.test_sets=[set5,set5]"], "different names"),
        (["data.test_sets=set5"], "a list"),
        (["data=full"], "unknown data for task=superres: 'full'"),
        (["model=resnet18"], "unknown model for task=superres"),
        (["data.held_out=-1"], r"data\.held_out=-1"),
        (["data=folder", "data.trian=x"], r"did you mean data\.train"),
    ],
)
def test_a_wrong_argument_is_answered_before_torch(arguments, answer, tmp_path):
    with pytest.raises(BadInput, match=answer):
        check_command(["task=superres", f"output_root={tmp_path}", *arguments])


def test_bad_images_are_answered_before_training(superres, images, tmp_path, monkeypatch):
    monkeypatch.setattr(SuperResolution, "loss", lambda *_: pytest.fail("too late"))
    (tmp_path / "empty").mkdir()
    save_images(tmp_path / "narrow", [(40, 40), (40, 11)])
    for override, answer in (
        (f"data.train={tmp_path / 'empty'}", r"data\.train: .*empty holds no files"),
        (f"data.test={tmp_path / 'nowhere'}", r"data\.test: .*nowhere is not a folder"),
        (
            f"data.train={tmp_path / 'narrow'}",
            r"1\.png is 11×40 pixels, and task\.patch=6 at .* needs .*12×12",
        ),
        (f"data.test={tmp_path / 'narrow'}", r"1\.png is 11×40 pixels, and SSIM at task\.scale=2 needs .*15×15"),
        (f"data.train_lr={images / 'tiny'}", r"\.png has no counterpart in data\.train_lr"),
        (f"data.test_lr={images / 'test'}", r"at task\.scale=2 needs 25×20"),
        ("data.test_sets=[set5]", r"data\.test_root=.*set5 is not a folder"),
    ):
        with pytest.raises(BadInput, match=answer):
            superres(override)


@pytest.mark.slow
def test_the_bundled_sample_trains(tmp_path):
    settings = ["task=superres", "data=sample", "recipe=small", *SMALL_EDSR, "trainer.max_steps=1", "act=carelu"]
    outcome = Run(*compose([*settings, f"output_root={tmp_path}"]), Display()).complete()
    assert (outcome.result["status"], outcome.identity.data) == ("finished", "bsds300-sample")
    assert outcome.result["bicubic_psnr_y"] > 25


def test_activation_factory_is_asked_once_per_site():
    asked = []

    def activation(channels, sample_dims, pre_norm=False):
        asked.append((channels, sample_dims))
        return ActivationFactory("relu")(channels, sample_dims)

    for model, sites in (("edsr", 16), ("edsr_small", 4), ("espcn", 3)):
        asked.clear()
        task_of().build_model(config_of(f"model={model}"), activation)
        assert len(asked) == sites
        assert all(dims == (1, 2, 3) for _, dims in asked)
