"""Commands that make runs and tables again."""

import shlex

from experiments.analysis.evidence import read_evidence
from experiments.analysis.provenance import DEFAULT_LEDGER, ROOT, describe_runs, run_commands, table_command
from experiments.configuration.composition import compose
from tests.experiments.ledgers import row, write


def commands_of(tmp_path, commands):
    """The sweeps of runs with these commands."""
    rows = [
        row("relu", seed, run_id=str(place), model=str(place), command=command)
        for place, (seed, command) in enumerate(commands)
    ]
    return run_commands(read_evidence(write(tmp_path / "ledger.csv", rows)).runs)


def test_runs_that_differ_in_activation_and_seed_are_one_sweep(tmp_path):
    commands = [(seed, f"python run.py task=text act={act} seed={seed}") for act in ("relu", "gelu") for seed in (0, 1)]
    assert commands_of(tmp_path, commands) == ("python run.py -m task=text act=relu,gelu seed=0,1",)


def test_another_program_is_told_first_that_it_sweeps(tmp_path):
    commands = [(seed, f"suite task=text act=relu seed={seed}") for seed in (0, 1)]
    assert commands_of(tmp_path, commands) == ("suite -m task=text act=relu seed=0,1",)


def test_a_sweep_makes_no_run_that_was_not_there(tmp_path):
    commands = [
        (0, "python run.py act=relu seed=0"),
        (1, "python run.py act=relu seed=1"),
        (0, "python run.py act=elu seed=0"),
    ]
    assert commands_of(tmp_path, commands) == ("python run.py -m act=relu seed=0,1", "python run.py act=elu seed=0")


def test_runs_of_several_processes_are_started_one_by_one(tmp_path):
    commands = [(seed, f"torchrun --nproc_per_node=2 run.py act=relu seed={seed}") for seed in (0, 1)]
    assert commands_of(tmp_path, commands) == tuple(command for _, command in commands)


def test_a_command_that_does_not_say_its_seed_or_its_one_activation_is_kept(tmp_path):
    commands = [(seed, f"python run.py act={act}") for act in ("relu", "relu act=gelu") for seed in (0, 1)]
    commands += [(3, "python run.py seed=3"), (4, "python run.py act=relu seed=5")]
    assert commands_of(tmp_path, commands) == tuple(dict.fromkeys(command for _, command in commands))


def test_quoted_values_and_strange_commands_are_kept(tmp_path):
    quoted = """python run.py act=relu 'data.test_sets=["set5"]' seed=0"""
    strange = "made by hand 'without an end"
    assert commands_of(tmp_path, [(0, quoted), (1, quoted.replace("seed=0", "seed=1")), (2, strange)]) == (
        """python run.py -m act=relu 'data.test_sets=["set5"]' seed=0,1""",
        strange,
    )


def test_the_published_sweeps_compose():
    for command in run_commands(read_evidence(ROOT / DEFAULT_LEDGER).runs):
        words = [word for word in shlex.split(command)[2:] if word != "-m"]
        first = [word.split(",")[0] if word.startswith(("act=", "seed=")) else word for word in words]
        cfg, _ = compose(first)
        assert f"seed={cfg.seed}" in first


def test_a_ledger_of_the_checkout_is_named_from_its_root():
    assert table_command(ROOT / DEFAULT_LEDGER, recipe=None) == "python scripts/make_tables.py"
    study = table_command(ROOT / "results" / "study" / "ledger.csv", baseline="carelu(gain=2)")
    assert study == "python scripts/make_tables.py --ledger results/study/ledger.csv --baseline 'carelu(gain=2)'"


def test_commits_with_changes_that_are_in_none_are_marked(tmp_path):
    rows = [row(seed=0), row(seed=1, git_commit="f" * 40, git_dirty=True)]
    said = describe_runs(read_evidence(write(tmp_path / "ledger.csv", rows)).runs)
    assert said == "2 runs, commits b3d14228b0, ffffffffff + uncommitted changes, PyTorch 2.11.0"
