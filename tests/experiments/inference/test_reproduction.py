"""A run is made again only where its command still means the same, and each value that differs is found."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from experiments.configuration.composition import compose
from experiments.configuration.identity import identify
from experiments.errors import BadInput
from experiments.inference import reproduction
from experiments.inference.reproduction import (
    Repetition,
    check_commit,
    check_folders,
    check_repeatable,
    checkout_of,
    command_for,
    repetition_in,
    row_named,
    unlike_here,
)
from experiments.record import ledger
from tests.conftest import ROOT
from tests.experiments.ledgers import row, write


@pytest.fixture
def recorded(run, tmp_path):
    """The row of a tiny run."""
    outcome = run("trainer.epochs=1", "trainer.threads=1", "act=carelu")
    return row_named(tmp_path / "runs" / ledger.FILE, outcome.identity.run_id)


def test_a_row_is_found_by_its_id_or_by_a_part_that_no_other_has(tmp_path):
    file = write(tmp_path / "ledger.csv", [row("relu", seed) for seed in (0, 1, 10)])
    rows, _ = ledger.read(file)
    assert row_named(file, rows[0].run_id) == rows[0]
    assert row_named(file, "relu-s10").seed == 10
    with pytest.raises(BadInput, match="'cifar100-small-relu-s1' is part of 2 runs; name one of them: cifar100-small"):
        row_named(file, "cifar100-small-relu-s1")
    with pytest.raises(BadInput, match=r"unknown run 'cifar100-small-rleu-s1'.*The column run_id of .* has them all"):
        row_named(file, "cifar100-small-rleu-s1")
    with pytest.raises(BadInput, match="there is no ledger"):
        row_named(tmp_path / "none.csv", "x")


def test_a_damaged_line_is_named_where_its_run_is_asked_for_and_a_failed_run_is_refused(tmp_path):
    rows = [row("relu", 0), row("relu", 1, value="?"), row("relu", 2, status="failed")]
    file = write(tmp_path / "ledger.csv", rows)
    with pytest.raises(BadInput, match=r"unknown run .*has them all\. line 3 of ledger\.csv is left out"):
        row_named(file, rows[1]["run_id"])
    with pytest.raises(BadInput, match=r"cifar100-small-relu-s2-.* failed, so there is nothing to compare"):
        row_named(file, rows[2]["run_id"])


def test_the_same_command_in_the_same_place_is_repeatable(recorded, tmp_path):
    folders = check_folders(["data_root=/home/jörg/a b"])
    assert folders == ["data_root='/home/jörg/a b'"]
    check_repeatable(recorded, folders)
    assert unlike_here(recorded) == {}
    place = tmp_path / "jörg (2), a=b"
    words = command_for(recorded, place, folders)
    assert words[1:3] == [str(ROOT / "run.py"), "task=cifar100"]
    cfg, _ = compose(words[2:])
    assert (cfg.output_root, cfg.data_root, cfg.force) == (str(place), "/home/jörg/a b", True)
    assert command_for(recorded, place, checkout=tmp_path)[1] == str(tmp_path / "run.py")


def test_a_folder_that_a_task_does_not_take_is_the_mistake_of_who_gave_it(recorded):
    for its_code in (False, True):
        with pytest.raises(BadInput, match=r"^data\.test_root=there does not fit cifar100-.*data\.test_root"):
            check_repeatable(recorded, ["data.test_root=there"], its_code)


def test_a_run_of_several_processes_is_launched_by_the_same_python_and_compared_by_its_device(recorded, tmp_path):
    command = recorded.command.replace("python run.py", "torchrun --nproc_per_node=2 run.py")
    several = replace(recorded, command=command, device=f"2 × {recorded.device}")
    assert unlike_here(several) == {}
    words = command_for(several, tmp_path)
    assert words[:5] == [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", str(ROOT / "run.py")]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        (
            "config_hash",
            "0123456789",
            r"means other settings by now, as a default changed; --at-its-commit .* \w{10}",
        ),
        ("data_fingerprint", "0123456789ab", "the data of .* are others here: .*, in its row 0123456789ab"),
        ("command", "python run.py act=rleu", "the command of .* is not accepted here: .*rleu.*; --at-its-commit"),
        ("command", "python train.py", "'python train.py', not one of run.py"),
        ("command", "python run.py 'act=relu", "not one of run.py"),
    ],
)
def test_what_means_something_else_is_not_repeated(recorded, column, value, said):
    changed = {column: value}
    if column == "data_fingerprint":  # which is part of the hash
        changed["config_hash"] = identify(*compose(recorded.command.split()[2:]), value).config_hash
    with pytest.raises(BadInput, match=said):
        check_repeatable(replace(recorded, **changed))


@pytest.mark.parametrize("word", ["seed=3", "data_root", "trainer.threads=2", "force=true"])
def test_only_the_place_of_the_data_may_be_added(word):
    with pytest.raises(BadInput, match=f"'{word}' is not accepted; accepted: data_root=…, data.root=…"):
        check_folders([word])


def test_with_the_code_of_its_commit_settings_may_be_unknown_here_and_data_may_not_be_others(recorded):
    check_repeatable(replace(recorded, config_hash="0123456789"), its_code=True)
    check_repeatable(replace(recorded, command="python run.py act=gone"), its_code=True)
    with pytest.raises(BadInput, match="are others here"):
        check_repeatable(replace(recorded, data_fingerprint="0123456789ab"), its_code=True)
    with pytest.raises(BadInput, match="is older than the column data_fingerprint"):
        check_repeatable(replace(recorded, data_fingerprint=""), its_code=True)


def test_what_decides_the_last_bits_is_compared_before_the_training(recorded):
    other = replace(recorded, torch="2.0.0", processor="", kernel="eager", code_hash="c0de", device="Abacus")
    found = unlike_here(replace(other, transformers="4.0.0"))
    assert list(found) == ["device", "processor", "torch", "transformers", "kernel", "code_hash"]
    assert found["torch"] == ("2.0.0", torch.__version__) and found["processor"][0] == ""
    assert "code_hash" not in unlike_here(replace(other, git_dirty=False), its_code=True)
    (name,) = unlike_here(replace(recorded, git_dirty=True), its_code=True)
    assert name == "code_hash"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_run_of_a_gpu_is_not_repeated_without_one(recorded):
    there = replace(recorded, command=recorded.command.replace("device=cpu", "device=cuda"), device="NVIDIA H100")
    with pytest.raises(BadInput, match="was made on NVIDIA H100, and no GPU is here"):
        unlike_here(there)


def test_the_code_of_a_commit_is_checked_out_and_removed_again(recorded, monkeypatch, tmp_path):
    def git(*arguments):
        done = subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x", "-C", tmp_path, *arguments],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("init", "--quiet")
    commits = []
    for content in ("first", "second"):
        (tmp_path / "run.py").write_text(content)
        git("add", "run.py")
        git("commit", "--quiet", "-m", content)
        commits.append(git("rev-parse", "HEAD"))
    monkeypatch.setattr(reproduction, "ROOT", tmp_path)
    with checkout_of(commits[0]) as place:
        assert (place / "run.py").read_text() == "first"
    assert not place.exists() and len(git("worktree", "list").splitlines()) == 1
    assert (tmp_path / "run.py").read_text() == "second"
    check_commit(replace(recorded, git_commit=commits[0]))
    with pytest.raises(BadInput, match=r"cat-file .* failed: .*git fetch --unshallow"):
        check_commit(replace(recorded, git_commit="0" * 40))
    with pytest.raises(BadInput, match="was not recorded; leave --at-its-commit out"):
        check_commit(replace(recorded, git_commit=""))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput, match="needs git, which cannot be started"):
        check_commit(recorded)


def test_every_value_is_compared_to_the_last_bit(recorded, tmp_path):
    assert repetition_in(tmp_path / "elsewhere", recorded) is None
    found = repetition_in(tmp_path / "runs", recorded)
    assert found is not None and found.differences == {}
    assert {"status", "headline_value", "steps", "top1", "top5", "loss", "scale_spread"} <= found.values.keys()
    for made, differing in (
        (replace(recorded, metrics={**recorded.metrics, "loss": recorded.metrics["loss"] * (1 + 2**-52)}), ["loss"]),
        (replace(recorded, metrics={}), list(recorded.metrics)),
        (replace(recorded, metrics={**recorded.metrics, "new": 1.0}), []),  # which the row does not know
        (replace(recorded, status="diverged", headline_value=None), ["status", "headline_value"]),
        (replace(recorded, wall_seconds=1e9, git_commit="other", finished_at="2030-01-01T00:00:00Z"), []),
    ):
        repetition = Repetition(recorded, made)
        assert list(repetition.differences) == differing
        kept = repetition.as_record()
        assert (kept.equal, kept.differs_in) == (not differing, " ".join(differing))
        assert (kept.finished_at, kept.repeated_at, kept.unlike) == (recorded.finished_at, made.finished_at, "")
    assert Repetition(recorded, replace(recorded, torch="2.0.0", code_hash="x")).as_record().unlike == "torch code_hash"
