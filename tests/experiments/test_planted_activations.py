"""Activations with a known answer, trained, compared and tabled as any other."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from carelu import register, registry
from experiments.analysis import metrics
from experiments.analysis.evidence import read_evidence
from experiments.configuration.composition import FOLDERS_VARIABLE, compose
from experiments.configuration.task_spec import spec_of
from experiments.report.rendering import to_markdown
from experiments.report.tables import build_tables
from experiments.tasks.cifar100 import dataset as cifar100
from experiments.training.console import Display
from experiments.training.run import Run
from tests.experiments.ledgers import cells

CLASSES, IMAGES, SEEDS, MARGIN = 4, 5, 4, 30.0
"""Of the images of the sample that are learned by heart, until ReLU has most of them right; chance is 25 %."""

SETTINGS = [
    *("task=cifar100", "data=sample", "recipe=small", "trainer.threads=1", "trainer.device=cpu"),
    *("model.width=4", "trainer.channels_last=false"),
    *(f"trainer.batch_size={CLASSES * IMAGES}", "trainer.epochs=52", "trainer.evaluate_every=52"),
    *("optim.optimizer.lr=0.1", "task.augmentation.flip=false", "task.augmentation.crop_padding=0"),
]


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """The names of three activations: ReLU under another name, half of it, and one that lets almost nothing through."""
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))

    @register("same")
    class Same(nn.Module):
        def forward(self, z):
            return torch.relu(z)

    @register("half")
    class Half(nn.Module):
        def forward(self, z):
            return torch.relu(z) / 2

    @register("broken")
    class Broken(nn.Module):
        def forward(self, z):
            return 1e-20 * z

    names = ["same", "half", "broken"]
    for name in names:
        file = tmp_path / "configs" / "act" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Planted\nname: {name}\noptions: {{}}\n")
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "configs"))
    return names


@pytest.fixture
def evidence(planted, monkeypatch, sample, tmp_path):
    """The ledger of their runs and of ReLU's, on images that are both trained and tested on."""
    train, _ = sample
    of_class = len(train) // 100
    few = train[torch.cat([torch.arange(IMAGES) + of_class * label for label in range(CLASSES)])]
    few = replace(few, images=few.images[:, :, ::2, ::2].contiguous())
    monkeypatch.setattr(cifar100, "load_sample", lambda: (few, few))
    cifar = spec_of("cifar100")
    monkeypatch.setattr(metrics, "spec_of", lambda task: replace(cifar, margin=MARGIN))
    for act in ["relu", *planted]:
        for seed in range(SEEDS):
            cfg, choices = compose([*SETTINGS, f"act={act}", f"seed={seed}", f"output_root={tmp_path / 'runs'}"])
            assert Run(cfg, choices, Display(quiet=True)).complete().result["status"] == "finished"
    return read_evidence(tmp_path / "runs" / "ledger.csv")


@pytest.mark.slow
def test_equal_functions_are_equivalent_and_a_broken_one_is_worse_and_never_bold(evidence):
    words, texts = {}, {}
    for act in ("same", "half", "broken"):
        of_two = replace(evidence, runs=tuple(run for run in evidence.runs if run.act in ("relu", act)))
        table = next(each for each in build_tables(of_two) if each.name == "cifar100")
        found = cells(table)[act]
        words[act], texts[act] = found["verdict"].value, to_markdown(table)
        assert not any(cell.bold for row in table.rows for cell in row)
        if act == "same":
            assert (found["difference"].value, found["verdict_low"].value, found["verdict_high"].value) == (0, 0, 0)
            assert "95 % interval 0.00 to 0.00" in texts[act]
    assert words == {"same": "equivalent", "half": "equivalent", "broken": "worse"}
    assert "| worse |" in texts["broken"] and "| equivalent |" in texts["same"]
    assert all("**" not in line for text in texts.values() for line in text.splitlines() if line.startswith("|"))
    of_two = replace(evidence, runs=tuple(run for run in evidence.runs if run.act in ("relu", "broken")))
    turned = next(each for each in build_tables(of_two, baseline="broken") if each.name == "cifar100")
    assert (cells(turned)["relu"]["verdict"].text, cells(turned)["relu"]["verdict"].bold) == ("better", True)
    assert not any(cell.bold for cell in cells(turned)["broken"].values())
