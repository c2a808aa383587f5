"""What a machine makes of auto and null."""

import sys

import pytest
import torch

from carelu import registry
from experiments.configuration.command_line import check_command
from experiments.configuration.composition import FOLDERS_VARIABLE, compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.training.console import Display
from experiments.training.resolution import resolve_auto
from experiments.training.run import Run


def resolved(*overrides):
    return resolve_auto(validate(compose(list(overrides))[0])).trainer


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


def test_on_a_cpu_null_is_the_number_of_threads_that_torch_takes(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    trainer = resolved()
    assert (trainer.device, trainer.precision, trainer.threads) == ("cpu", "float32", 5)
    assert resolved("trainer.threads=3").threads == 3


def test_on_a_gpu_threads_stay_null(gpu):
    trainer = resolved()
    assert (trainer.device, trainer.precision, trainer.threads) == ("cuda", "bfloat16", None)
    with pytest.raises(BadInput, match=r"trainer\.threads=2 .* null"):
        resolved("trainer.threads=2")


def test_resolving_changes_the_trainer_alone():
    before = validate(compose(["recipe=small"])[0])
    after = resolve_auto(before)
    assert before.trainer.device == "auto"
    assert after.model_dump(exclude={"trainer"}) == before.model_dump(exclude={"trainer"})


def test_what_is_not_here_is_refused():
    with pytest.raises(BadInput, match=r"trainer\.device=cuda:99 .* accepted here: auto, cpu"):
        resolved("trainer.device=cuda:99")
    with pytest.raises(BadInput, match=r"trainer\.precision=float16 .* float32, bfloat16"):
        resolved("trainer.device=cpu", "trainer.precision=float16")


def test_a_run_computes_with_its_threads_and_is_named_by_them(run, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", (asked := []).append)
    outcome = run("trainer.threads=2", "trainer.max_steps=1", "trainer.device=cpu")
    assert asked == [2]
    assert "trainer.threads=2" in outcome.identity.command
    usual = identify(resolve_auto(validate(compose(["trainer.device=cpu"])[0])), compose([])[1])
    other = identify(resolve_auto(validate(compose(["trainer.device=cpu", "trainer.threads=2"])[0])), compose([])[1])
    assert usual.config_hash != other.config_hash


CLASSES = """
import torch
from torch import nn
from carelu import register

@register("plain_of_mine")
class Plain(nn.Module):
    def forward(self, z):
        return z.clamp(min=0)

@register("optional_of_mine")
class Optional(nn.Module):
    def __init__(self, slope=0.1):
        super().__init__()
        self.slope = slope

    def forward(self, z):
        return torch.where(z > 0, z, self.slope * z)

@register("learned_of_mine")
class Learned(nn.Module):
    def __init__(self, slope=0.1, channels=1, channel_dim=1):
        super().__init__()
        self.dim, self.slope = channel_dim, nn.Parameter(torch.full((channels,), slope))

    @classmethod
    def for_site(cls, channels, sample_dims, pre_norm, **options):
        return cls(**options, channels=channels, channel_dim=sample_dims[0])

    def forward(self, z):
        shape = [-1 if dim == self.dim and self.slope.numel() > 1 else 1 for dim in range(z.ndim)]
        return torch.where(z > 0, z, self.slope.view(shape) * z)
"""


@pytest.fixture
def activations_of_mine(tmp_path, monkeypatch):
    """Three activations in a module outside the checkout, with their configuration files."""
    (tmp_path / "activations_of_mine.py").write_text(CLASSES)
    for name, options in {"plain": "{}", "optional": "{slope: 0.1}", "learned": "{slope: 0.1}"}.items():
        file = tmp_path / f"configs/act/{name}_of_mine.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Mine\nname: {file.stem}\npackage: activations_of_mine\noptions: {options}\n")
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "configs"))
    yield
    sys.modules.pop("activations_of_mine", None)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["plain_of_mine", "optional_of_mine act.options.slope=0.5", "learned_of_mine"])
def test_an_activation_of_ones_own_trains_on_images(activations_of_mine, run, act):
    words = f"act={act}".split()
    check_command(words)
    outcome = run(*words, "trainer.max_steps=2")
    assert (outcome.result["status"], outcome.result["act"]) == ("finished", words[0].removeprefix("act="))
    assert "act.package" not in outcome.identity.command


@pytest.mark.slow
@pytest.mark.parametrize("act", ["plain_of_mine", "learned_of_mine"])
@pytest.mark.parametrize("model", ["bert model.head_size=4", "bilstm"])
def test_an_activation_of_ones_own_trains_on_text(activations_of_mine, tmp_path, act, model):
    words = f"task=text act={act} model={model} model.layers=1 model.width=8 recipe=small data=sample".split()
    size = ["data.vocabulary_size=500", "data.tokens_per_batch=2048", "trainer.batch_size=20", "trainer.max_steps=2"]
    cfg, choices = compose([*words, *size, f"data.cache={tmp_path}", f"output_root={tmp_path / 'runs'}"])
    assert Run(cfg, choices, Display()).complete().result["status"] == "finished"


def test_a_module_that_is_not_there_is_answered_with_the_remedy(activations_of_mine, tmp_path, run):
    (tmp_path / "configs/act/lost.yaml").write_text("# Lost\nname: lost\npackage: nowhere_to_find\noptions: {}\n")
    with pytest.raises(BadInput, match=r"act=lost: act\.package=nowhere_to_find .* PYTHONPATH"):
        run("act=lost")


def test_an_activation_is_chosen_by_its_name_and_not_by_its_module():
    with pytest.raises(BadInput, match=r"choose with act="):
        check_command(["act.package=os"])
