"""`-m … --dry-run`: the state of every run of a sweep and the time that is left, without starting anything."""

from dataclasses import replace

import pytest

from experiments.configuration.command_line import check_command
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.sweep import dry_run
from experiments.sweep.dry_run import expectations, expected_seconds, text
from tests import forked


@pytest.fixture
def plan(tiny_overrides):
    """The plan of ReLU and CAReLU with two seeds, with further words."""

    def plan_with(*words):
        return check_command(["-m", "act=relu,carelu", "seed=0,1", *tiny_overrides, *words])

    return plan_with


@pytest.mark.slow
def test_a_sweep_is_foreseen_from_what_is_finished_and_nothing_is_started(run, plan, tmp_path):
    done = run("act=relu")
    wanted = plan()
    before = sorted(tmp_path.rglob("*"))
    finished, *others = expectations(wanted)
    assert (finished.state, finished.seconds) == ("finished", 0.0)
    assert finished.said == f"{done.result['top1']:.2f} %"
    seconds = done.result["wall_seconds"]  # the same settings with another activation or seed
    assert [(each.state, each.seconds) for each in others] == [(dry_run.NOT_BEGUN, seconds)] * 3
    lines = text(wanted).splitlines()
    assert lines[0] == "sweep of 4 runs: 1 finished, 3 not begun"
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["act=relu", "seed=0"],
        ["act=relu", "seed=1"],
        ["act=carelu", "seed=0"],
        ["act=carelu", "seed=1"],
    ]
    assert f"about {dry_run.roughly(3 * seconds)} for 3, by earlier runs on this machine" in lines[5]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_what_restarts_and_what_was_interrupted_is_said(run, plan):
    directory = run("act=relu").identity.directory
    forced = expectations(plan("force=true"))[0]
    assert (forced.state, forced.said) == (dry_run.NOT_BEGUN, "force=true starts it again")
    (directory / "result.json").unlink()
    lines = (directory / "metrics.jsonl").read_text().splitlines(keepends=True)
    (directory / "metrics.jsonl").write_text("".join(lines[:2]))  # the start and one epoch of two
    interrupted = expectations(plan())[0]
    assert (interrupted.state, interrupted.said) == ("interrupted", "after epoch 1 of 2")
    (row,) = ledger.read(directory.parents[3] / "ledger.csv")[0]
    assert interrupted.seconds == pytest.approx(row.wall_seconds / 2)


@pytest.mark.slow
def test_other_epochs_are_scaled_and_other_machines_do_not_count(run, plan):
    outcome = run("act=relu")
    (row,) = ledger.read(outcome.identity.directory.parents[3] / "ledger.csv")[0]
    longer = expectations(plan("trainer.epochs=6"))
    assert longer[0].seconds == pytest.approx(3 * row.wall_seconds)
    elsewhere = replace(row, device="another processor")
    config = outcome.identity
    assert expected_seconds(config, _config(plan), [row], row.device) == row.wall_seconds
    assert expected_seconds(config, _config(plan), [elsewhere], row.device) is None


def _config(plan):
    from experiments.configuration.composition import compose
    from experiments.configuration.schema import validate
    from experiments.training.resolution import resolve_auto

    return resolve_auto(validate(compose(plan().jobs[0])[0]))


def test_without_earlier_runs_the_time_is_unknown(plan):
    assert "expected time: unknown" in text(plan())


def test_data_that_are_not_here_are_not_downloaded(plan, monkeypatch, tmp_path):
    words = ["-m", "task=text", "data=sst2", "seed=0", f"data.root={tmp_path / 'none'}", f"output_root={tmp_path}"]
    (only,) = expectations(check_command(words))
    assert (only.state, only.said) == (dry_run.NOT_BEGUN, "its data are not here yet")


def test_what_cannot_be_foreseen_is_refused(plan, tiny_overrides):
    verdict = check_command(["-m", "hydra/sweeper=verdict", "act=relu,carelu", *tiny_overrides])
    with pytest.raises(BadInput, match="hydra/sweeper=verdict, which chooses its runs as it goes"):
        expectations(verdict)
    with pytest.raises(BadInput, match="--dry-run shows the runs of a sweep"):
        dry_run.show(None)


@pytest.mark.slow
def test_the_command_line_takes_it(tmp_path):
    words = ["data=sample", "recipe=small", "--dry-run", f"output_root={tmp_path}"]
    done = forked.run(["run.py", "-m", "seed=0,1", *words])
    assert done.returncode == 0, done.stderr
    assert "sweep of 2 runs: 2 not begun" in done.stdout and "nothing was started" in done.stdout
    assert list(tmp_path.iterdir()) == []
    alone = forked.run(["run.py", "seed=0", *words])
    assert alone.returncode == 2 and "python run.py -m … --dry-run" in alone.stderr
