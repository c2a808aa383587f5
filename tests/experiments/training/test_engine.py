"""The training loop against a reference loop, for each task: steps, learning rates, batches, evaluation, ends."""

import copy
import math
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from carelu import ActivationFactory
from experiments.distributed.processes import SingleProcess
from experiments.record import checkpoint
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.tasks.cifar100.resnet import resnet18
from experiments.tasks.cifar100.task import CIFAR100
from experiments.tasks.contract import Splits, Task
from experiments.tasks.superres.task import SuperResolution
from experiments.tasks.text.task import TextClassification
from experiments.training import engine
from experiments.training.state import Diverged, Interrupted
from tests.experiments.watched_run import watch

MULTIPLIER = 0.5
"""Learning rate of activation parameters, relative to that of the others; exact in floating point."""

SETTINGS = ["trainer.device=cpu", "trainer.precision=float32", f"optim.activation_lr_multiplier={MULTIPLIER}"]


@dataclass(frozen=True)
class Reference:
    """How a run of two epochs goes, in torch's own words."""

    task: type[Task]
    settings: list[str]
    steps_per_epoch: int
    learning_rates: list[float]
    """Of all but the activations, at each step."""
    weight_decay: float
    clip: float
    is_of_activation: Callable[[str], bool]
    """By the name of a parameter."""
    optimizer: Callable[[list[dict[str, object]]], torch.optim.Optimizer]
    loss: Callable[[nn.Module, object], tuple[Tensor, int]]
    """The loss of a training batch, and its number of examples."""
    metrics: Callable[[nn.Module, object], dict[str, float]]
    """Of a model on all that `Splits` hold for evaluation."""


# CIFAR-100: SGD with momentum, a warm-up of two of four steps and a cosine


def cifar100_loss(model, batch):
    images, labels = batch
    return F.cross_entropy(model(images), labels, label_smoothing=0.1), len(labels)


def normalised(images):
    """Of the published means and standard deviations of CIFAR-100."""
    mean, std = torch.tensor([0.5071, 0.4866, 0.4409]), torch.tensor([0.2673, 0.2564, 0.2762])
    return (images / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def cifar100_metrics(model, splits):
    test = cifar100.load_sample()[1]
    logits = model(normalised(test.images))
    right = logits.argsort(dim=1, descending=True)[:, :5] == test.labels.view(-1, 1)
    return {
        "top1": 100 * right[:, 0].float().mean().item(),
        "top5": 100 * right.any(1).float().mean().item(),
        "loss": F.cross_entropy(logits, test.labels).item(),
    }


@pytest.fixture
def reference_cifar100(monkeypatch, sample, tmp_path):
    few = [part[torch.arange(len(part)) % (len(part) // 100) < 2] for part in sample]
    monkeypatch.setattr(cifar100, "load_sample", lambda: few)
    return Reference(
        task=CIFAR100,
        settings=[
            *("task=cifar100", "data=sample", "act=carelu", "recipe=small", "model.width=2", "trainer.epochs=2"),
            *("trainer.batch_size=60", "trainer.evaluation_batch_size=70", "task.label_smoothing=0.1"),
            *("optim.optimizer.weight_decay=0.05", "optim.gradient_clip_norm=0.5"),
            *("optim.schedule.name=cosine", "optim.schedule.warmup_epochs=0.5", *SETTINGS),
            f"output_root={tmp_path / 'runs'}",
        ],
        steps_per_epoch=4,
        learning_rates=[0.05, 0.1, *(0.1 * ((1 + math.cos(math.pi * (step / 6))) / 2) for step in range(6))],
        weight_decay=0.05,
        clip=0.5,
        is_of_activation=lambda name: name.endswith((".alpha", ".beta")),
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
        loss=cifar100_loss,
        metrics=cifar100_metrics,
    )


# Super-resolution: Adam, halved after an epoch


def superres_loss(model, batch):
    low, high = batch
    return F.l1_loss(model(low / 255), high / 255), len(low)


def y(images):
    """The luma of BT.601 of grey levels N×3×H×W."""
    red, green, blue = images.double().unbind(1)
    return 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255


def psnr(images, references):
    """Without a border of two pixels, the scale of these runs."""
    images, references = (each.double()[..., 2:-2, 2:-2] for each in (images, references))
    return (10 * torch.log10(255**2 / ((images - references) ** 2).mean())).item()


def superres_metrics(model, splits):
    values = {"psnr_y": [], "psnr_rgb": []}
    for lows, highs in splits.evaluation["test"]:
        for low, high in zip(lows.split(1), highs.split(1), strict=True):
            output = (model(low / 255) * 255).round().clamp(0, 255)
            values["psnr_y"].append(psnr(y(output), y(high)))
            values["psnr_rgb"].append(psnr(output, high))
    assert len(values["psnr_y"]) == 3
    return {name: sum(each) / 3 for name, each in values.items()}


@pytest.fixture
def reference_superres(tmp_path):
    draw = np.random.default_rng(0)
    for part, sizes in (("train", [(20, 24), (31, 22), (25, 25)]), ("test", [(30, 34), (34, 30), (30, 34)])):
        (tmp_path / part).mkdir()
        for number, size in enumerate(sizes):
            pixels = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / part / f"{number}.png")
    return Reference(
        task=SuperResolution,
        settings=[
            *("task=superres", "data=folder", f"data.train={tmp_path / 'train'}", f"data.test={tmp_path / 'test'}"),
            *("act=prelu", "recipe=small", "model.blocks=1", "model.features=4", "task.patch=6"),
            *("task.steps_per_epoch=3", "trainer.batch_size=2", "trainer.epochs=2", "trainer.evaluate_every=1"),
            *("optim.optimizer.lr=0.001", "optim.optimizer.weight_decay=0.05", "optim.gradient_clip_norm=0.01"),
            *("optim.schedule.name=step", "optim.schedule.milestones=[1]", "optim.schedule.decay=0.5"),
            *("optim.schedule.warmup_epochs=0", *SETTINGS, f"output_root={tmp_path / 'runs'}"),
        ],
        steps_per_epoch=3,
        learning_rates=[0.001] * 3 + [0.0005] * 3,
        weight_decay=0.05,
        clip=0.01,
        is_of_activation=lambda name: name.endswith("act.weight"),
        optimizer=lambda groups: torch.optim.Adam(groups, lr=0.001, betas=(0.9, 0.999), eps=1e-8),
        loss=superres_loss,
        metrics=superres_metrics,
    )


# Text: AdamW, a warm-up of two of five steps and a line


def text_loss(model, batch):
    logits = model(batch.tokens, batch.segments, batch.mask)
    return F.cross_entropy(logits, batch.labels, label_smoothing=0.1), len(batch.labels)


def text_metrics(model, splits):
    metrics = {}
    for part, prefix, count in (("test", "", 11), ("validation", "validation/", 7)):
        batches = list(splits.evaluation[part])
        logits = torch.cat([model(batch.tokens, batch.segments, batch.mask) for batch in batches])
        labels = torch.cat([batch.labels for batch in batches])
        assert labels.bincount().tolist() == [-(-count // 2), count // 2]
        metrics[f"{prefix}accuracy"] = 100 * (logits.argmax(1) == labels).float().mean().item()
        metrics[f"{prefix}loss"] = F.cross_entropy(logits, labels).item()
    return metrics


@pytest.fixture
def reference_text(tmp_path):
    words = ["one", "two", "three", "four", "five", "six", "seven"]
    draw = np.random.default_rng(0)
    for part, count in (("train", 24), ("validation", 7), ("test", 11)):
        rows = [f"{' '.join(draw.choice(words, 1 + row % 5))},{'odd' if row % 2 else 'even'}" for row in range(count)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return Reference(
        task=TextClassification,
        settings=[
            *("task=text", "data=csv", *(f"data.{part}={tmp_path / part}.csv" for part in ("train", "test"))),
            *(f"data.validation={tmp_path / 'validation.csv'}", f"data.cache={tmp_path / 'cache'}"),
            *("data.max_length=16", "data.tokens_per_batch=128", "data.vocabulary_size=100", "data.classes=[even,odd]"),
            *("act=carelu", "model=bilstm", "recipe=small", "model.width=8", "model.layers=1", "trainer.epochs=2"),
            *("trainer.batch_size=5", "trainer.evaluation_batch_size=4", "task.label_smoothing=0.1"),
            *("optim.optimizer.lr=0.001", "optim.optimizer.weight_decay=0.05", "optim.gradient_clip_norm=0.03"),
            *("optim.schedule.name=linear", "optim.schedule.warmup_epochs=0.4", *SETTINGS),
            f"output_root={tmp_path / 'runs'}",
        ],
        steps_per_epoch=5,
        learning_rates=[0.0005, 0.001, *(0.001 * (1 - step / 8) for step in range(8))],
        weight_decay=0.05,
        clip=0.03,
        is_of_activation=lambda name: name.endswith((".alpha", ".beta")),
        optimizer=lambda groups: torch.optim.AdamW(groups, lr=0.001, betas=(0.9, 0.999)),
        loss=text_loss,
        metrics=text_metrics,
    )


@pytest.fixture(params=["reference_cifar100", "reference_superres", "reference_text"])
def reference(request):
    return request.getfixturevalue(request.param)


def train_reference(reference, seen):
    """Trains the watched run's start on its batches; returns the model and for each epoch what is to be recorded."""
    model, records = seen.start, []
    named = list(model.named_parameters())
    groups = [
        {"params": [value for name, value in named if not reference.is_of_activation(name)]},
        {"params": [value for name, value in named if reference.is_of_activation(name)]},
    ]
    groups[0]["weight_decay"], groups[1]["weight_decay"] = reference.weight_decay, 0.0
    assert groups[1]["params"]
    optimizer, norms = reference.optimizer(groups), []
    torch.set_rng_state(seen.random_state)
    for first in range(0, len(seen.batches), reference.steps_per_epoch):
        model.train()
        total, examples = 0.0, 0
        for step in range(first, min(first + reference.steps_per_epoch, len(seen.batches))):
            optimizer.param_groups[0]["lr"] = reference.learning_rates[step]
            optimizer.param_groups[1]["lr"] = reference.learning_rates[step] * MULTIPLIER
            optimizer.zero_grad()
            loss, count = reference.loss(model, seen.batches[step])
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), reference.clip))
            optimizer.step()
            total, examples = total + loss.item() * count, examples + count
        model.eval()
        with torch.no_grad():
            record = reference.metrics(model, seen.splits)
        records.append({**record, "train/loss": total / examples, "learning_rate": reference.learning_rates[step]})
    assert max(norms) > reference.clip  # otherwise nothing is said about clipping
    return model, records


def assert_equal_weights(weights, expected):
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("steps", [1, "an epoch", "all"])
def test_training_equals_a_reference_loop(reference, monkeypatch, steps):
    wanted = {1: 1, "an epoch": reference.steps_per_epoch, "all": 2 * reference.steps_per_epoch}[steps]
    seen = watch(monkeypatch, reference.task, [*reference.settings, f"trainer.max_steps={wanted}"])
    assert len(seen.batches) == wanted
    model, records = train_reference(reference, seen)
    assert_equal_weights(seen.checkpoint["model"], model.state_dict())
    assert len(seen.records) == 1 + len(records)
    for record, expected in zip(seen.records[1:], records, strict=True):
        for name, value in expected.items():
            assert record[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def test_the_optimiser_uses_the_learning_rates_of_the_schedule_and_no_weight_decay_on_activations(
    reference, monkeypatch
):
    seen = watch(monkeypatch, reference.task, reference.settings)
    rates = [[rate for rate, _ in groups] for groups in seen.group_settings]
    assert [rate for rate, _ in rates] == pytest.approx(reference.learning_rates, rel=1e-12)
    assert [rate for _, rate in rates] == pytest.approx(
        [MULTIPLIER * rate for rate in reference.learning_rates], rel=1e-12
    )
    assert {tuple(decay for _, decay in groups) for groups in seen.group_settings} == {(reference.weight_decay, 0.0)}
    last = [record["learning_rate"] for record in seen.records[1:]]
    assert last == pytest.approx([rates[reference.steps_per_epoch - 1][0], rates[-1][0]], rel=1e-12)


def test_the_model_trains_in_training_mode_and_is_measured_in_evaluation_mode(reference, monkeypatch):
    seen = watch(monkeypatch, reference.task, reference.settings)
    assert len(seen.training_modes) == 2 * reference.steps_per_epoch
    assert all(modes == {True} for modes in seen.training_modes)
    assert len(seen.evaluation_modes) >= 3
    assert all(modes == {False} for modes in seen.evaluation_modes)
    assert not any(seen.gradients_in_evaluation)


def test_the_pictures_of_a_run_that_was_killed_before_its_result_are_made_in_evaluation_mode(
    reference_text, monkeypatch
):
    first = watch(monkeypatch, reference_text.task, reference_text.settings)
    (first.outcome.identity.directory / "result.json").unlink()
    again = watch(monkeypatch, reference_text.task, reference_text.settings)
    assert again.training_modes == [] and again.evaluation_modes
    assert all(modes == {False} for modes in again.evaluation_modes)


def test_low_precision_trains_under_autocast(reference_cifar100, monkeypatch):
    seen = watch(
        monkeypatch, CIFAR100, [*reference_cifar100.settings, "trainer.precision=bfloat16", "trainer.max_steps=2"]
    )

    def loss(model, batch):
        with torch.autocast("cpu", torch.bfloat16):
            return cifar100_loss(model, batch)

    def metrics(model, splits):
        return {}

    model, _ = train_reference(replace(reference_cifar100, loss=loss, metrics=metrics), seen)
    assert_equal_weights(seen.checkpoint["model"], model.state_dict())


@pytest.mark.slow
def test_a_scaled_loss_changes_nothing_and_its_scale_is_kept_over_a_stop(reference_cifar100, monkeypatch, tmp_path):
    """With powers of two, scaling is exact as long as gradients are unscaled before they are clipped."""
    expected = watch(monkeypatch, CIFAR100, [*reference_cifar100.settings, f"output_root={tmp_path / 'unscaled'}"])
    usual = torch.amp.GradScaler

    def scaler(device, enabled):
        assert not enabled  # the run is one of float32
        return usual(device, init_scale=1024.0, growth_interval=3, enabled=True)

    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    scaled = watch(monkeypatch, CIFAR100, reference_cifar100.settings)
    assert_equal_weights(scaled.checkpoint["model"], expected.checkpoint["model"])
    assert scaled.checkpoint["scaler"]["scale"] == 1024 * 2**2  # it grew after three and after six steps
    stopped = [*reference_cifar100.settings, f"output_root={tmp_path / 'stopped'}"]
    stop_at_step(monkeypatch, 5, lambda: watch(monkeypatch, CIFAR100, stopped))
    assert watch(monkeypatch, CIFAR100, stopped).checkpoint["scaler"] == scaled.checkpoint["scaler"]


def stop_at_step(monkeypatch, number, action):
    """Does `action`, in which the training batch of that number is followed by a signal."""
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        if len(drawn) == number:
            signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", loss)
        assert action().outcome.result is None


# Random numbers


@pytest.mark.parametrize("seed", [0, 3])
def test_the_initial_weights_are_those_of_the_seed(reference_cifar100, monkeypatch, seed):
    seen = watch(monkeypatch, CIFAR100, [*reference_cifar100.settings, f"seed={seed}", "trainer.max_steps=1"])
    torch.manual_seed(seed)
    expected = resnet18(ActivationFactory("carelu", alpha=1.0), 100, width=2)
    assert_equal_weights(seen.start.state_dict(), expected.state_dict())


def test_another_seed_has_other_initial_weights(reference, monkeypatch):
    first, other = (
        watch(
            monkeypatch, reference.task, [*reference.settings, f"seed={seed}", "trainer.max_steps=1"]
        ).start.state_dict()
        for seed in (0, 1)
    )
    drawn = [name for name, value in first.items() if value.is_floating_point() and len(value.unique()) > 1]
    assert len(drawn) >= 5
    assert not any(torch.equal(first[name], other[name]) for name in drawn if name != "mean")


@pytest.mark.slow
def test_every_step_of_every_epoch_and_seed_has_a_different_batch(reference, monkeypatch):
    """Texts are batched by length, so that a batch may come again; their epochs may not."""
    epochs, batches = set(), []
    for seed in (0, 1):
        seen = watch(monkeypatch, reference.task, [*reference.settings, f"seed={seed}"])
        contents = [b"".join(side.contiguous().numpy().tobytes() for side in batch) for batch in seen.batches]
        batches += contents
        for start in range(0, len(contents), reference.steps_per_epoch):
            epochs.add(tuple(contents[start : start + reference.steps_per_epoch]))
    assert len(epochs) == 4
    if reference.task is not TextClassification:
        assert len(set(batches)) == len(batches)


def test_the_batches_of_an_epoch_are_all_images_normalised_in_a_new_order(reference_cifar100, monkeypatch):
    still = ["task.augmentation.crop_padding=0", "task.augmentation.flip=false"]
    seen = watch(monkeypatch, CIFAR100, [*reference_cifar100.settings, *still])
    train = cifar100.load_sample()[0]
    table = normalised(train.images).flatten(1)
    orders = []
    for batches in (seen.batches[:4], seen.batches[4:]):
        images, labels = (torch.cat(side) for side in zip(*batches, strict=True))
        nearest = torch.cdist(images.flatten(1), table).argmin(1)
        torch.testing.assert_close(images.flatten(1), table[nearest], rtol=1e-5, atol=1e-5)
        assert sorted(nearest.tolist()) == list(range(200))
        assert torch.equal(labels, train.labels[nearest])
        orders.append(nearest.tolist())
    assert orders[0] != orders[1]
    assert list(range(200)) not in orders


@pytest.mark.slow
def test_a_resumed_run_restores_every_random_generator(reference_cifar100, monkeypatch, tmp_path):
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
        return usual(self, model, batch)

    monkeypatch.setattr(CIFAR100, "loss", loss)
    watch(monkeypatch, CIFAR100, [*reference_cifar100.settings, f"output_root={tmp_path / 'undisturbed'}"])
    expected = drawn.copy()
    drawn.clear()
    stop_at_step(monkeypatch, 3, lambda: watch(monkeypatch, CIFAR100, reference_cifar100.settings))
    watch(monkeypatch, CIFAR100, reference_cifar100.settings)
    assert drawn == expected
    assert len(set(drawn)) == 8


# What a run is judged by


def judged(reference, monkeypatch, metrics_of_epochs, *overrides):
    """The result of a run whose evaluations return the given metrics, by the number of images that are evaluated."""
    left = {count: list(values) for count, values in metrics_of_epochs.items()}

    def evaluate(self, model, batches):
        return left[sum(len(labels) for _, labels in batches)].pop(0)

    monkeypatch.setattr(CIFAR100, "evaluate", evaluate)
    epochs = f"trainer.epochs={len(next(iter(metrics_of_epochs.values())))}"
    seen = watch(monkeypatch, CIFAR100, [*reference.settings, "act=relu", "trainer.batch_size=200", epochs, *overrides])
    assert not any(left.values())
    return seen.outcome.result


TEST_IMAGES, HELD_OUT = 200, 100


def test_the_headline_is_the_last_epoch_and_not_the_best(reference_cifar100, monkeypatch):
    values = [{"top1": value, "loss": value / 10} for value in (30.0, 50.0, 40.0)]
    result = judged(reference_cifar100, monkeypatch, {TEST_IMAGES: values})
    assert (result["headline_value"], result["headline_epoch"]) == (40.0, 3)
    assert (result["top1"], result["loss"]) == (40.0, 4.0)


@pytest.mark.parametrize(("higher_is_better", "chosen"), [(True, 2), (False, 1)])
def test_selection_looks_at_the_held_out_part_alone(reference_cifar100, monkeypatch, higher_is_better, chosen):
    monkeypatch.setattr(CIFAR100, "headline", ("top1", higher_is_better))
    test, held_out = ([{"top1": value} for value in values] for values in ([50.0, 40.0, 60.0], [10.0, 30.0, 20.0]))
    wanted = ["trainer.selection=validation", f"data.held_out={HELD_OUT}"]
    result = judged(reference_cifar100, monkeypatch, {TEST_IMAGES: test, HELD_OUT: held_out}, *wanted)
    assert (result["headline_value"], result["headline_epoch"]) == (test[chosen - 1]["top1"], chosen)
    assert result["validation/top1"] == held_out[chosen - 1]["top1"]


# With a model of one weight: what is recorded, logged, shown and saved, and how training ends


class Halves:
    """Training batches: three an epoch, of two, two and one example with x = 1, 2, 3 and y = 4x."""

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 3

    def epoch(self, seed, epoch, done_steps, shard):
        self.asked.append((seed, epoch, done_steps, shard))
        for step in range(done_steps, 3):
            x = torch.full((1 if step == 2 else 2, 1), step + 1.0)
            yield x, 4 * x


class OneWeight:
    """A task whose model is y = w x; its evaluations return what they are given."""

    headline = ("error", False)

    def __init__(self, evaluations):
        self.evaluations, self.spoilt_at, self.factor = list(evaluations), None, math.nan

    def loss(self, model, batch):
        x, y = batch
        loss = (model(x) - y).square().mean()
        self.steps = getattr(self, "steps", 0) + 1
        return (loss * self.factor if self.steps == self.spoilt_at else loss), {"error": loss.detach().sqrt()}, len(x)

    def evaluate(self, model, batches):
        return {"error": self.evaluations.pop(0)}

    def predictions(self, model, batches):
        return {"error": np.arange(2)}

    def write_artifacts(self, model, splits, folder):
        return [folder / "picture.png"]

    def state_dict(self):
        return {"learned": "words"}


class Calls:
    """Notes the calls of its methods, each as (name, arguments), with copies of what may change later."""

    def __init__(self, **attributes):
        self.calls = []
        self.__dict__.update(attributes)

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *map(copy.deepcopy, arguments)))

    def of(self, name):
        return [arguments for called, *arguments in self.calls if called == name]


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """Makes an engine of the model of one weight, with settings of the trainer."""

    def rates(optimizer, *_):
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))

    monkeypatch.setattr(engine, "build_scheduler", rates)
    monkeypatch.setattr(engine.Evaluator, "forward_flops", lambda self: 2)

    def make(evaluations=(0.5, 0.25), every_steps=None, processes=None, **trainer):
        model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(model.weight, 1.0)
        settings = {"epochs": 2, "max_steps": None, "precision": "float32", "compile": False, "evaluate_every": 1}
        settings |= {"checkpoint_minutes": 1e9, "selection": "validation", **trainer}
        optim = SimpleNamespace(gradient_clip_norm=None, schedule=None)
        config = SimpleNamespace(seed=5, trainer=SimpleNamespace(**settings), optim=optim)
        setup = engine.Setup(
            OneWeight(evaluations), Splits(Halves(), {"test": []}), model, torch.optim.SGD(model.parameters(), lr=0.03)
        )
        mirror = Calls(every_steps=every_steps, wandb_id="w1")
        outputs = engine.Outputs("the run", Calls(path=tmp_path), Calls(), mirror)
        return engine.Engine(config, setup, processes or SingleProcess(), outputs)

    return make


def by_hand(steps):
    """(loss, error, learning rate) of each step, and the weight after them."""
    weight, seen = 1.0, []
    for step in range(steps):
        x, rate = step % 3 + 1.0, 0.03 / (1 + step)
        error = abs(weight * x - 4 * x)
        seen.append((error**2, error, rate))
        weight -= rate * 2 * (weight * x - 4 * x) * x
    return seen, weight


def never():
    return False


def test_a_record_has_the_means_over_the_examples_of_its_epoch_and_what_was_measured(toy):
    made = toy()
    made.train(never)
    seen, weight = by_hand(6)
    assert made.model.weight.item() == pytest.approx(weight, rel=1e-5)
    start, *records = made.state.history
    assert start == {"epoch": 0, "step": 0}
    for epoch, (record, steps) in enumerate(zip(records, (seen[:3], seen[3:]), strict=True), start=1):
        losses, errors, rates = zip(*steps, strict=True)
        assert record == {
            "epoch": epoch,
            "step": 3 * epoch,
            "learning_rate": pytest.approx(rates[-1]),
            "train/loss": pytest.approx((2 * losses[0] + 2 * losses[1] + losses[2]) / 5, rel=1e-5),
            "train/error": pytest.approx((2 * errors[0] + 2 * errors[1] + errors[2]) / 5, rel=1e-5),
            "error": [0.5, 0.25][epoch - 1],
            "seconds": record["seconds"],
        }
    state = made.state
    assert state.wall_seconds > sum(record["seconds"] for record in records) > 0
    assert (state.epoch, state.steps, state.examples, state.sums) == (2, 6, 0, {})
    assert state.peak_memory_mib > 0 and made.forward_flops == 2


def test_an_epoch_is_trained_by_its_seed_and_number_from_the_first_step_that_is_left(toy):
    made = toy()
    made.train(never)
    shard = made.processes.shard
    assert made.splits.train.asked == [(5, 0, 0, shard), (5, 1, 0, shard)]


def test_all_outputs_of_a_run_are_told_of_it_in_time(toy, tmp_path):
    made = toy()
    made.train(never)
    directory, display, mirror = made.outputs.directory, made.outputs.display, made.outputs.mirror
    history = made.state.history
    assert directory.of("write_metrics") == [[history[:1]], [history[:2]], [history]]
    assert [content["counters"]["steps"] for (content,) in directory.of("save")] == [3, 6]
    ((predictions,),) = directory.of("write_predictions")
    assert list(predictions) == ["test/error"]
    assert directory.of("write_task_state") == [[{"learned": "words"}]]
    assert mirror.of("log") == [[record] for record in history] and mirror.of("log_step") == []
    assert mirror.of("show") == [[[tmp_path / "artifacts" / "picture.png"]]]
    assert display.of("start") == [[6, 0]] and display.of("stop") == [[]]
    assert [(steps, epoch, epochs) for steps, epoch, epochs, _ in display.of("step")] == [
        (step + 1, step // 3 + 1, 2) for step in range(6)
    ]
    assert [values for *_, values in display.of("step")] == [
        {"loss": pytest.approx(loss, rel=1e-5), "error": pytest.approx(error, rel=1e-5)}
        for loss, error, _ in by_hand(6)[0]
    ]
    (first, second) = display.of("epoch")
    assert first[:3] == [history[1], 2, "error"] and second == [history[2], 2, "error", 0.0, "validation"]
    assert first[3] == pytest.approx(history[1]["seconds"]) and first[3] > 0  # as long as the first half


@pytest.mark.parametrize(("every", "logged"), [(1, [1, 2, 4, 5]), (2, [2, 4]), (3, []), (5, [5])])
def test_steps_are_logged_so_often_and_not_at_the_end_of_an_epoch(toy, every, logged):
    made = toy(every_steps=every)
    made.train(never)
    seen, _ = by_hand(6)
    assert made.outputs.mirror.of("log_step") == [
        [
            {
                "epoch": round(step / 3, 4),
                "step": step,
                "train_step/learning_rate": pytest.approx(seen[step - 1][2]),
                "train_step/loss": pytest.approx(seen[step - 1][0], rel=1e-5),
                "train_step/error": pytest.approx(seen[step - 1][1], rel=1e-5),
            }
        ]
        for step in logged
    ]


def test_a_most_number_of_steps_ends_training_within_an_epoch_and_there_is_measured(toy):
    made = toy(every_steps=1, max_steps=4, evaluate_every=3, epochs=9)
    made.train(never)
    assert [(record["step"], record.get("error")) for record in made.state.history] == [(0, None), (3, None), (4, 0.5)]
    assert [values["step"] for (values,) in made.outputs.mirror.of("log_step")] == [1, 2]
    assert made.outputs.display.of("start") == [[4, 0]]
    assert made.state.train_seconds > 0


def test_the_time_of_the_last_step_is_that_of_training(toy):
    made = toy(max_steps=4)
    usual = made.task.loss

    def slow_at_the_end(model, batch):
        time.sleep(0.1 * (made.state.steps == 3))
        return usual(model, batch)

    made.task.loss = slow_at_the_end
    made.train(never)
    assert made.state.train_seconds > 0.1


def test_what_the_activations_do_is_recorded_before_the_first_step(toy, monkeypatch):
    monkeypatch.setattr(engine.Evaluator, "activations_of_first_batch", lambda self: {"layer": {"scale": 1.0}})
    made = toy()
    made.train(never)
    assert made.state.history[0] == {"epoch": 0, "step": 0, "activations": {"layer": {"scale": 1.0}}}


@pytest.mark.parametrize(("precision", "scaled"), [("float32", False), ("bfloat16", False), ("float16", True)])
def test_the_loss_is_scaled_in_float16_alone(toy, precision, scaled):
    assert toy(precision=precision).scaler.is_enabled() is scaled


@pytest.mark.parametrize("compiled", [False, True])
def test_evaluation_is_told_whether_the_model_is_compiled(toy, compiled):
    assert toy(compile=compiled).evaluator.compiled is compiled


def test_it_is_measured_every_so_many_epochs_and_after_the_last(toy):
    made = toy(evaluate_every=3, epochs=5)
    made.train(never)
    assert [record.get("error") for record in made.state.history] == [None, None, None, 0.5, None, 0.25]


def test_only_the_main_process_writes_what_the_model_says_of_examples(toy):
    other = SingleProcess()
    other.is_main = False
    made = toy(processes=other)
    made.train(never)
    assert {"write_predictions", "write_task_state"}.isdisjoint(name for name, *_ in made.outputs.directory.calls)
    assert made.outputs.mirror.of("show") == [] and made.forward_flops == 2


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_stop_is_taken_after_a_step_with_a_checkpoint_from_which_training_ends_equal(toy, stop_at):
    whole = toy()
    whole.train(never)
    stopped, asked = toy(), []
    with pytest.raises(Interrupted):
        stopped.train(lambda: asked.append(1) or len(asked) == stop_at)
    assert stopped.outputs.display.of("stop") == [[]]
    ((content,),) = stopped.outputs.directory.of("save")
    assert (content["run_id"], content["wandb_id"]) == ("the run", "w1") and content.keys() == set(checkpoint.PARTS)
    assert content["counters"]["steps"] == stop_at and content["counters"]["other_seconds"] > 0
    resumed = toy()
    resumed.restore(content)
    resumed.train(never)
    assert resumed.splits.train.asked[0][2] == stop_at
    assert torch.equal(resumed.model.weight, whole.model.weight)
    assert len(resumed.state.history) == 3
    for ours, theirs in zip(resumed.state.history, whole.state.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_a_checkpoint_is_written_within_an_epoch_when_its_time_has_come(toy):
    made = toy(checkpoint_minutes=0)
    made.train(never)
    assert [content["counters"]["steps"] for (content,) in made.outputs.directory.of("save")] == [
        1,
        2,
        3,
        3,
        4,
        5,
        6,
        6,
    ]
    assert made.state.train_seconds > 0 and made.state.other_seconds > 0


@pytest.mark.parametrize("factor", [math.nan, math.inf])
@pytest.mark.parametrize("spoilt_at", [2, 3, 4])
def test_a_loss_that_is_not_finite_ends_training_by_the_number_of_its_step(toy, spoilt_at, factor):
    made = toy()
    made.task.spoilt_at, made.task.factor = spoilt_at, factor
    with pytest.raises(Diverged, match=rf"loss is not a finite number at step {spoilt_at}$"):
        made.train(never)
    assert made.state.steps == spoilt_at
    assert len(made.outputs.directory.of("save")) == (spoilt_at - 1) // 3
    assert made.outputs.display.of("stop") == [[]]


def test_a_metric_or_a_weight_that_is_not_finite_ends_training_by_its_name(toy):
    made = toy([0.5, math.nan])
    with pytest.raises(Diverged, match=r"^error is not a finite number after step 6$"):
        made.train(never)
    made = toy()
    made.model.weight.data.fill_(math.inf)
    made.splits.train.epoch = lambda *_: iter([])
    with pytest.raises(Diverged, match=r"^a weight is not a finite number after step 0$"):
        made.train(never)


def saved(made):
    made.save()
    return made.outputs.directory.of("save")[-1][0]


def test_what_is_restored_is_of_this_run_and_finite(toy):
    content = saved(toy())
    with pytest.raises(ValueError, match=r"^its counters are epoch, steps"):
        toy().restore({**content, "counters": {**content["counters"], "further": 1}})
    spoilt = {**content, "model": {"weight": torch.full((1, 1), math.nan)}}
    with pytest.raises(ValueError, match="a weight is not a finite number"):
        toy().restore(spoilt)


def test_the_largest_peak_of_memory_is_kept(toy):
    made = toy()
    made.state.peak_memory_mib = 1e9
    assert saved(made)["counters"]["peak_memory_mib"] == 1e9


def test_a_step_on_an_accelerator_is_read_only_where_the_display_wants_it(toy):
    made = toy()
    made.outputs.display.wants_step = lambda: False
    made.device, made.first_bad_step = SimpleNamespace(type="cuda"), torch.tensor(3.0)
    assert made._show_step({"loss": torch.tensor(1.5)}) is False
    assert made.outputs.display.of("step") == []
    made.outputs.display.wants_step = lambda: True
    assert made._show_step({"loss": torch.tensor(1.5)}) is True
    assert made.outputs.display.of("step") == [[0, 1, 2, {"loss": 1.5}]]


def test_the_scale_of_the_loss_is_restored(toy):
    made, other = toy(), toy()
    for each, scale in ((made, 8.0), (other, 2.0)):
        each.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        each.scaler.scale(torch.ones(()))
    other.restore(saved(made))
    assert other.scaler.get_scale() == 8.0
