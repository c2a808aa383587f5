"""Every task with every model and every activation: composes and trains two steps, or says why it cannot."""

import pytest
import torch
from PIL import Image

from experiments.configuration.composition import compose, options_of
from experiments.errors import BadInput
from experiments.randomness import generator
from experiments.training.console import Display
from experiments.training.run import Run
from tests.conftest import TINY_NETWORK

DATA = {
    "cifar100": ["data=sample", "trainer.batch_size=20"],
    "superres": ["data=folder", "task.patch=8", "task.steps_per_epoch=2", "trainer.batch_size=2"],
    "text": ["data=sample", "data.vocabulary_size=500", "data.tokens_per_batch=2048", "trainer.batch_size=20"],
}
SIZE = {
    "resnet18": TINY_NETWORK["cifar100"],
    "edsr": ["model.blocks=1", "model.features=4"],
    "edsr_small": ["model.blocks=1", "model.features=4"],
    "bert": ["model.layers=1", "model.width=8", "model.head_size=4"],
    "bilstm": ["model.layers=1", "model.width=8"],
}
"""What makes a run tiny; a task or model that is not named is taken as it is."""

WITH_NORMALISATION = ("resnet18",)
"""The models that can pass the tensor before normalisation."""

COMBINATIONS = [
    (task, model, act)
    for task in options_of("task")
    for model in options_of("model", task)
    for act in [*options_of("act"), "carelu act.options.competition_input=pre_norm"]
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small images for each of train and test, and a place for token ids."""
    folder = tmp_path_factory.mktemp("combinations")
    for number, name in enumerate(("train/a", "train/b", "test/a", "test/b")):
        file = folder / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        pixels = torch.randint(256, (40, 40, 3), generator=generator("cpu", number), dtype=torch.uint8)
        Image.fromarray(pixels.numpy()).save(file)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("task", "model", "act"), COMBINATIONS)
def test_every_combination_trains_two_steps(tiny_cifar100, folder, tmp_path, task, model, act):
    where = {
        "superres": [f"data.train={folder / 'train'}", f"data.test={folder / 'test'}"],
        "text": [f"data.cache={folder / 'tokens'}"],
    }
    chosen = [f"task={task}", f"model={model}", *f"act={act}".split(), "recipe=small", "trainer.max_steps=2"]
    settings = [*chosen, *DATA.get(task, []), *SIZE.get(model, []), *where.get(task, []), f"output_root={tmp_path}"]
    cfg, choices = compose(settings)
    if act.endswith("pre_norm") and model not in WITH_NORMALISATION:
        with pytest.raises(BadInput, match="use competition_input='normalised'"):
            Run(cfg, choices, Display()).complete()
        return
    result = Run(cfg, choices, Display()).complete().result
    assert (result["status"], result["steps"], result["act"]) == ("finished", 2, cfg.act.name)
    assert result["headline_value"] == result[result["headline_metric"]]
