"""What a machine makes of auto and null."""

import pytest
import torch

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.configuration.schema import validate
from experiments.errors import BadInput
from experiments.training.resolution import resolve_auto


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
