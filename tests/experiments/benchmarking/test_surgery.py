import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import carelu
from experiments.benchmarking import surgery, zoo
from experiments.benchmarking.results import from_csv
from experiments.benchmarking.surgery import Row, check, table
from tests.conftest import ROOT

ENTRIES = {entry.name: entry for entry in zoo.entries()}


def test_a_sound_model_passes():
    row = check(ENTRIES["torch/TransformerEncoderLayer"], export=False)
    assert row == Row(
        *("torch/TransformerEncoderLayer", 1, "ReLU 1", "(-1,) 1"),
        *["yes"] * 4,
        exports="not tried",
        causal="–",
        padding="–",
    )
    assert row.ok


class Stubborn(nn.Module):
    """Calls one function where it cannot be replaced."""

    def __init__(self):
        super().__init__()
        self.linear, self.act = nn.Linear(4, 4), nn.ReLU()
        self.forward = self.compute

    def compute(self, z):
        return F.relu(self.act(self.linear(z)))


def test_a_model_that_is_replaced_in_part_does_not_pass():
    row = check(zoo.Entry("stubborn", Stubborn, lambda: torch.randn(2, 4)), export=False)
    assert "1 activations are not replaced: functional_0_relu" in row.whole
    assert not row.ok


def test_a_model_without_activations_does_not_pass():
    row = check(zoo.Entry("linear", lambda: nn.Linear(4, 4), lambda: torch.randn(2, 4)), export=False)
    assert "no activation module to replace" in row.whole and not row.ok


@pytest.mark.slow
def test_tokens_that_see_later_ones_and_padding_do_not_pass(monkeypatch):
    monkeypatch.setattr(surgery, "replace_activations", functools.partial(carelu.replace_activations, over="sample"))
    row = check(ENTRIES["transformers/LlamaForCausalLM"], export=False)
    assert "mixes tokens or positions" in row.verified
    assert "results differ" in row.causal and "results differ" in row.padding


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "torch/TransformerEncoder",
        "torch/Transformer",
        "torchvision/mobilenet_v3_small",
        "timm/resnet10t",
        "timm/vit_tiny_patch16_224",
        "transformers/LlamaForCausalLM",
        "transformers/GPT2LMHeadModel",
        "transformers/MambaForCausalLM",
        "transformers/DistilBertModel",
        "transformers/T5Model",
        "transformers/WhisperModel",
    ],
)
def test_models_of_each_package_pass(name):
    row = check(ENTRIES[name], export=name == "timm/vit_tiny_patch16_224")
    assert row.ok, row


PUBLISHED = from_csv(ROOT / "results" / "models" / "models.csv", Row)


def test_every_model_of_the_zoo_is_in_the_published_table_and_passes():
    assert [row.model for row in PUBLISHED] == list(ENTRIES)
    assert [row for row in PUBLISHED if not row.ok] == []
    assert all(row.sites for row in PUBLISHED)
    assert all(row.causal == row.padding == "yes" for row in PUBLISHED if ENTRIES[row.model].text == "decoder")


def test_the_published_page_is_that_of_the_table():
    page = (ROOT / "results" / "models" / "models.md").read_text(encoding="utf-8")
    versions = page.split("made this page with ")[1].split(". Weights")[0]
    assert page == table(PUBLISHED, versions)
