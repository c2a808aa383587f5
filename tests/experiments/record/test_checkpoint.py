"""Checkpoints: loaded without running code, and refused where they do not belong."""

import json
import pickle
import signal
from pathlib import Path

import pytest
import torch

from experiments.errors import BadInput
from experiments.record import checkpoint
from experiments.tasks.cifar100.task import CIFAR100

CONTENT = {"run_id": "a run", "model": {"weight": torch.arange(6.0).view(2, 3)}, "counters": {"steps": 3}}


class Hostile:
    """Makes a file when it is unpickled, as any code could be run."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def test_what_is_loaded_is_what_was_saved(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.pt", CONTENT)
    loaded = checkpoint.load(tmp_path / "checkpoint.pt")
    assert loaded.keys() == CONTENT.keys()
    assert torch.equal(loaded["model"]["weight"], CONTENT["model"]["weight"])
    assert (loaded["run_id"], loaded["counters"]) == ("a run", {"steps": 3})


@pytest.mark.parametrize("written_by", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, 2))])
def test_a_hostile_checkpoint_is_refused_and_runs_no_code(tmp_path, written_by):
    touched, file = tmp_path / "touched", tmp_path / "checkpoint.pt"
    written_by({**CONTENT, "optimizer": Hostile(touched)}, file)
    with pytest.raises(BadInput, match="cannot be read as a checkpoint"):
        checkpoint.load(file)
    assert not touched.exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused_in_one_line(tmp_path, kept):
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, CONTENT)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(BadInput, match=r"checkpoint\.pt cannot be read as a checkpoint .*force=true") as caught:
        checkpoint.load(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["model", "run_id", "counters"])
def test_a_checkpoint_without_what_a_run_needs_is_refused(tmp_path, missing):
    file = tmp_path / "checkpoint.pt"
    torch.save({key: value for key, value in CONTENT.items() if key != missing}, file)
    with pytest.raises(BadInput, match="is not a checkpoint of this suite"):
        checkpoint.load(file)


# Going on from one


@pytest.fixture
def stopped(run, monkeypatch):
    """The folder of a run that a signal stopped in its second step."""
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        if len(drawn) == 2:
            signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", loss)
        return run().identity.directory


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("code_hash", "0" * 12),
        ("torch", "2.0.0"),
        ("device", "another processor"),
        ("processes", 2),
        ("threads", 64),
        ("activation_hash", "0" * 12),
    ],
)
def test_a_run_resumes_only_in_its_environment(run, stopped, monkeypatch, key, other):
    file = stopped / "environment.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, key: other}))
    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", lambda *_: pytest.fail("too late"))
        with pytest.raises(BadInput, match=rf"was started with {key} {other} .*force=true") as caught:
            run()
    assert f"with {key} {content[key]}" in str(caught.value)


def test_a_run_without_its_environment_does_not_resume(run, stopped):
    (stopped / "environment.json").unlink()
    with pytest.raises(BadInput, match="force=true"):
        run()


def test_the_checkpoint_of_another_run_is_refused(run, stopped, tmp_path):
    other = run("seed=1", f"output_root={tmp_path / 'elsewhere'}").identity
    (stopped / "checkpoint.pt").write_bytes((other.directory / "checkpoint.pt").read_bytes())
    with pytest.raises(BadInput, match=f"belongs to the run {other.run_id}, not to .*force=true"):
        run()


def test_force_resumes_a_stopped_run_only_if_force_started_it(run, stopped, monkeypatch):
    def steps_of(*overrides):
        usual, done = CIFAR100.loss, []

        def loss(self, model, batch):
            done.append(1)
            if len(done) == 4:
                signal.raise_signal(signal.SIGTERM)
            return usual(self, model, batch)

        with monkeypatch.context() as patch:
            patch.setattr(CIFAR100, "loss", loss)
            run(*overrides)
        return len(done)

    assert steps_of("force=true") == 4  # from the start, of six
    assert (stopped / "replaced" / "1" / "checkpoint.pt").exists()
    assert steps_of("force=true") == 2
    assert [folder.name for folder in (stopped / "replaced").iterdir()] == ["1"]
