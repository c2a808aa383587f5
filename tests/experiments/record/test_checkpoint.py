"""Checkpoints: loaded without running code, and refused where they do not belong."""

import hashlib
import json
import math
import pickle
import signal
import zipfile
from pathlib import Path

import pytest
import torch

from experiments.errors import BadInput
from experiments.record import checkpoint
from experiments.tasks.cifar100.task import CIFAR100

CONTENT = {
    **dict.fromkeys(checkpoint.PARTS),
    "run_id": "a run",
    "model": {"weight": torch.arange(6.0).view(2, 3)},
    "counters": {"steps": 3},
}


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


def test_a_checkpoint_is_a_whole_zip_archive_with_its_checksum_as_comment(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.pt", CONTENT)
    content = (tmp_path / "checkpoint.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "checkpoint.pt") as archive:
        comment = archive.comment.decode()
        assert archive.testzip() is None
    assert int.from_bytes(content[: -len(comment)][-2:], "little") == len(comment)
    assert comment == "sha256:" + hashlib.sha256(content[: -len(comment)]).hexdigest()


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


@pytest.mark.parametrize("missing", checkpoint.PARTS)
def test_a_checkpoint_without_what_a_run_needs_is_refused(tmp_path, missing):
    file = tmp_path / "checkpoint.pt"
    torch.save({key: value for key, value in CONTENT.items() if key != missing}, file)
    with pytest.raises(BadInput, match="is not a checkpoint of this suite"):
        checkpoint.load(file)


def test_other_programs_read_it_with_torch_alone(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.pt", CONTENT)
    read = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert torch.equal(read["model"]["weight"], CONTENT["model"]["weight"])


@pytest.mark.parametrize("written_by", [lambda file: checkpoint.save(file, CONTENT), lambda f: torch.save(CONTENT, f)])
def test_one_flipped_bit_in_what_it_holds_is_noticed(tmp_path, written_by):
    file = tmp_path / "checkpoint.pt"
    written_by(file)
    whole = file.read_bytes()
    weights = whole.index(CONTENT["model"]["weight"].numpy().tobytes())
    file.write_bytes(whole[:weights] + bytes([whole[weights] ^ 1]) + whole[weights + 1 :])
    assert not torch.equal(
        torch.load(file, weights_only=True)["model"]["weight"], CONTENT["model"]["weight"]
    )  # torch alone does not notice
    with pytest.raises(BadInput, match="its checksum does not agree"):
        checkpoint.load(file)


def test_a_bit_flipped_anywhere_is_refused_or_changes_nothing(tmp_path):
    file = tmp_path / "checkpoint.pt"
    checkpoint.save(file, CONTENT)
    whole, refused = file.read_bytes(), 0
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        try:
            read = checkpoint.load(file)
        except BadInput:
            refused += 1
        else:
            assert torch.equal(read["model"]["weight"], CONTENT["model"]["weight"]) and place > len(whole) - 100
    assert refused > 100


def test_the_checkpoint_before_is_kept_and_takes_the_place_of_a_damaged_one(tmp_path):
    file, previous = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.previous.pt"
    assert checkpoint.load_newest(file, previous) == (None, "")
    for steps in (1, 2):
        checkpoint.save(file, {**CONTENT, "counters": steps}, previous)
    content, note = checkpoint.load_newest(file, previous)
    assert (content["counters"], note) == (2, "")
    file.write_bytes(file.read_bytes()[:-200])
    content, note = checkpoint.load_newest(file, previous)
    assert content["counters"] == 1
    assert note.endswith("going on from checkpoint.previous.pt") and "\n" not in note
    file.unlink()  # killed between the two renames
    content, note = checkpoint.load_newest(file, previous)
    assert content["counters"] == 1
    assert "is missing; going on from" in note


def test_two_damaged_checkpoints_are_refused_by_the_name_of_the_last(tmp_path):
    file, previous = tmp_path / "checkpoint.pt", tmp_path / "checkpoint.previous.pt"
    file.write_bytes(b"damaged")
    previous.write_bytes(b"damaged as well")
    with pytest.raises(BadInput, match=r"checkpoint\.pt cannot be read as a checkpoint"):
        checkpoint.load_newest(file, previous)


# Going on from one


@pytest.fixture
def stopped(run, monkeypatch):
    """The folder of a run that a signal stopped in its second step."""
    return stop_at_step(run, monkeypatch, 2)


def stop_at_step(run, monkeypatch, number):
    usual, drawn = CIFAR100.loss, []

    def loss(self, model, batch):
        drawn.append(1)
        if len(drawn) == number:
            signal.raise_signal(signal.SIGTERM)
        return usual(self, model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CIFAR100, "loss", loss)
        return run().identity.directory


@pytest.mark.slow
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one_and_ends_equal(run, monkeypatch, tmp_path, capsys):
    expected = run(f"output_root={tmp_path / 'undisturbed'}").identity.directory
    folder = stop_at_step(run, monkeypatch, 5)  # the one before is that of the first epoch, of three steps
    file = folder / "checkpoint.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    run()
    assert "its checksum does not agree); going on from checkpoint.previous.pt" in capsys.readouterr().out
    ours, theirs = (checkpoint.load(each / "checkpoint.pt")["model"] for each in (folder, expected))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (folder / "checkpoint.previous.pt").exists()  # a finished run needs one checkpoint


def floats(weights):
    return [weight for weight in weights.values() if weight.is_floating_point()]


def edited(file, edit):
    content = checkpoint.load(file)
    edit(content)
    checkpoint.save(file, content)


UNFIT = [
    (lambda saved: saved["model"]["conv1.weight"].fill_(math.nan), "a weight is not a finite number"),
    (lambda saved: saved["model"].update({"conv1.weight": torch.zeros(1)}), "RuntimeError: .*size mismatch"),
    (lambda saved: saved["model"].clear(), "RuntimeError: .*Missing key"),
    (lambda saved: saved.update(optimizer=None), "Error: "),
    (lambda saved: saved["counters"].pop("epoch"), "ValueError: its counters are"),
    (lambda saved: saved["random_states"].pop("torch"), "KeyError: 'torch'"),
]


def test_a_checkpoint_that_does_not_fit_its_run_is_refused_in_one_line(run, stopped):
    file = stopped / "checkpoint.pt"
    whole = file.read_bytes()
    for edit, answer in UNFIT:
        file.write_bytes(whole)
        edited(file, edit)
        with pytest.raises(BadInput, match=f"does not fit this run .*{answer}.*force=true") as caught:
            run()
        assert "\n" not in str(caught.value)


def test_weights_of_nan_are_no_finished_run(run):
    folder = run().identity.directory
    (folder / "result.json").unlink()  # as if killed just before the result
    edited(folder / "checkpoint.pt", lambda saved: [every.fill_(math.nan) for every in floats(saved["model"])])
    with pytest.raises(BadInput, match="a weight is not a finite number"):
        run()
    assert not (folder / "result.json").exists()


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


@pytest.mark.slow
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
