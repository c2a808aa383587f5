"""What hydra/sweeper=verdict compares, and what the sweepers refuse before any run starts."""

import pytest

from experiments.configuration.command_line import check_command
from experiments.configuration.composition import CONFIG_DIR, sweepers
from experiments.configuration.sweeper import Comparison
from experiments.errors import BadInput

VERDICT = "hydra/sweeper=verdict"


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """One folder for all, as what was composed is known again in the same working directory alone."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def somewhere_else(empty, monkeypatch):
    """Commands are checked in an empty folder, where outputs/ may be made."""
    monkeypatch.chdir(empty)


def plan_of(*arguments):
    return check_command(["-m", VERDICT, *arguments])


@pytest.mark.slow
def test_the_first_activation_of_a_comparison_is_relu_unless_another_is_named():
    assert plan_of("act=carelu,relu").comparisons == [Comparison([], [["act=relu"], ["act=carelu"]])]
    assert plan_of("act=gelu,carelu").comparisons == [Comparison([], [["act=gelu"], ["act=carelu"]])]
    named = plan_of("act=relu,carelu", "hydra.sweeper.baseline=carelu")
    assert named.comparisons == [Comparison([], [["act=carelu"], ["act=relu"]])]


def test_each_combination_of_the_other_values_is_a_comparison_of_its_own():
    found = plan_of("task=cifar100,text", "recipe=small,standard", "act=relu,carelu").comparisons
    assert [each.setting for each in found] == [
        [f"task={task}", f"recipe={recipe}"] for task in ("cifar100", "text") for recipe in ("small", "standard")
    ]
    assert {len(each.activations) for each in found} == {2}


def test_the_options_of_an_activation_make_activations():
    (found,) = plan_of("act=carelu", "act.options.gain=1.5,2", "optim.optimizer.lr=0.1").comparisons
    assert found.setting == ["optim.optimizer.lr=0.1"]
    assert found.activations == [["act=carelu", "act.options.gain=1.5"], ["act=carelu", "act.options.gain=2"]]
    assert found.job(1, 3) == ["optim.optimizer.lr=0.1", "act=carelu", "act.options.gain=2", "seed=3"]


def test_the_seeds_of_an_experiment_are_left_to_the_sweeper():
    (found,) = plan_of("+experiment=paper_cifar100").comparisons
    assert [each[0] for each in found.activations] == [f"act={a}" for a in ("relu", "prelu", "gelu", "swish", "carelu")]
    assert not any(line.startswith("seed") for line in found.setting)


def test_its_runs_are_not_known_in_advance_and_those_of_the_basic_sweeper_are():
    assert plan_of("act=relu,carelu").jobs is None
    assert check_command(["-m", "act=relu,carelu"]).jobs == [["act=relu"], ["act=carelu"]]


@pytest.mark.parametrize(
    ("arguments", "parts_of_the_answer"),
    [
        ("act=relu", ["act=relu is one", "act=relu,carelu"]),
        ("recipe=small", ["no act= is one", "act=relu,carelu"]),
        ("act=relu,relu", ["act=relu is one"]),
        ("act=relu,carelu seed=0,1", ["seed=0,1", "hydra.sweeper.first_seed", "hydra.sweeper.max_seeds"]),
        ("+experiment=paper_all seed=3", ["seed=3", "leave it out"]),
        ("act=relu,carelu hydra.sweeper.baseline=gelu", ["baseline=gelu", "one of act=relu,carelu"]),
        ("act=relu,carelu hydra.sweeper.max_seeds=0", ["hydra.sweeper.max_seeds=0", "an integer ≥ 1"]),
        ("act=relu,carelu hydra.sweeper.max_hours=0", ["hydra.sweeper.max_hours=0", "a number > 0 or null"]),
        ("act=relu,carelu hydra.sweeper.min_seeds=30", ["min_seeds=30", "max_seeds=20"]),
        ("act=relu,carelu hydra.sweeper.max_sedes=3", ["did you mean hydra.sweeper.max_seeds"]),
        ("act=relu,carelu task=text,superres hydra.sweeper.margin=1", ["margin=1", "differ in unit", "one by one"]),
        ("act=relu,carelu optim.optimizer.lr=interval(0.1,1)", ["interval(0.1,1)", "lr=0.1,1.0"]),
    ],
)
def test_what_cannot_be_decided_is_answered_in_one_line_with_the_way_out(arguments, parts_of_the_answer):
    with pytest.raises(BadInput) as caught:
        plan_of(*arguments.split())
    assert "\n" not in str(caught.value)
    for part in parts_of_the_answer:
        assert part in str(caught.value)


def test_a_launcher_whose_runs_end_elsewhere_is_refused(tmp_path, monkeypatch):
    (tmp_path / "sbatch").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(BadInput, match=r"submitit_slurm is not accepted .* accepted: basic or pool; on a cluster"):
        plan_of("act=relu,carelu", "hydra/launcher=submitit_slurm")


def test_without_a_sweep_the_sweeper_is_refused():
    with pytest.raises(BadInput, match="verdict is for sweeps"):
        check_command([VERDICT, "act=relu"])


@pytest.mark.parametrize("value", ["interval(0.1,1)", "tag(log,interval(0.1,1))", "float(interval(1,2))", "range(2,1)"])
def test_values_that_the_basic_sweeper_cannot_sweep_are_answered_in_one_line(value):
    with pytest.raises(BadInput) as caught:
        check_command(["-m", f"optim.optimizer.lr={value}"])
    assert "optim.optimizer.lr" in str(caught.value) and "\n" not in str(caught.value)


def test_a_sweeper_that_samples_may_get_a_range_without_steps(tmp_path, monkeypatch):
    own = tmp_path / "configs" / "hydra" / "sweeper"
    own.mkdir(parents=True)
    (own / "sampling.yaml").write_text("# Samples\n_target_: hydra_plugins.sampling.Sampling\nn_trials: 3\n")
    monkeypatch.setenv("CARELU_CONFIG_DIR", str(tmp_path / "configs"))
    plan = check_command(["-m", "hydra/sweeper=sampling", "optim.optimizer.lr=interval(0.1,1)"])
    assert (plan.jobs, plan.sweeper, plan.verdict) == (None, "sampling", None)
    with pytest.raises(BadInput, match=r"optim.optimizer.lr=0.0 "):
        check_command(["-m", "hydra/sweeper=sampling", "optim.optimizer.lr=interval(0,1)"])


def test_every_key_of_the_sweeper_says_what_it_means():
    assert sweepers()["verdict"].startswith("Adds seeds pair by pair")
    lines = (CONFIG_DIR / "hydra" / "sweeper" / "verdict.yaml").read_text().splitlines()
    assert [line for line in lines if " # " not in line and not line.startswith("# ")] == []
