"""What a command line may say, and which runs a sweep is made of."""

import shutil

import pytest

from experiments.configuration import command_line
from experiments.configuration.command_line import check_command
from experiments.configuration.composition import compose, options_of
from experiments.configuration.identity import identify, label
from experiments.errors import BadInput

RESOLVED = ["trainer.device=cpu", "trainer.precision=float32", "trainer.threads=1"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """One folder for all, as what was composed is known again in the same working directory alone."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(autouse=True)
def somewhere_else(empty, monkeypatch):
    """Commands are checked in an empty folder, where outputs/ may be made, on a machine without Slurm."""
    monkeypatch.chdir(empty)
    monkeypatch.setattr(command_line.shutil, "which", lambda program: None)


@pytest.mark.parametrize(
    ("argument", "parts_of_the_answer"),
    [
        ("act=cralu", ["act", "cralu", "did you mean carelu"]),
        ("act=carelu,gleu", ["gleu", "gelu"]),
        ("task=cifar10", ["did you mean cifar100"]),
        ("recipe=smal", ["did you mean small"]),
        ("data=sampel", ["did you mean sample"]),
        ("model=resnet", ["did you mean resnet18"]),
        ("optim=sdg", ["did you mean sgd"]),
        ("logger=[wandb,csv]", ["logger=[wandb,csv] is a list", "logger.also=[csv,tensorboard]"]),
        ("logger.also=[wandb]", ["logger.also"]),
        ("trainer.epohcs=3", ["did you mean trainer.epochs", "--cfg job"]),
        ("act.options.gian=2", ["did you mean act.options.gain"]),
        ("trainer.epochs=-1", ["trainer.epochs=-1", "≥ 1"]),
        ("trainer.epochs=2,0", ["trainer.epochs=0"]),
        ("trainer.batch_size=0", ["trainer.batch_size=0", "≥ 1"]),
        ("seed=one", ["seed=one", "integer"]),
        ("seed=1.5", ["seed=1.5", "integer"]),
        ("seed=-1", ["seed=-1"]),
        ("seed=true", ["seed=true"]),
        ("trainer.device=gpu", ["trainer.device=gpu", "cuda"]),
        ("trainer.precision=int8", ["bfloat16"]),
        ("optim.optimizer.lr=0", ["optim.optimizer.lr=0", "> 0"]),
        ("optim.optimizer.lr=nan", ["optim.optimizer.lr"]),
        ("optim.schedule.name=stpe", ["constant, step, linear, cosine"]),
        ("optim.schedule.milestones=[3,2]", ["rising"]),
        ("trainer.selection=validation", ["data.held_out"]),
        ("output_root=", ["output_root", "folder"]),
        ("cifar100", ["'cifar100'", "key=value"]),
        ("trainer.epochs={3", ["cannot be read"]),
        ("act.name=relu", ["choose with act=…"]),
        ("data.name=cifar100", ["choose with data=…"]),
        ("task.package=os", ["choose with task=…"]),
        ("optim.optimizer._target_=torch.optim.SGD", ["unknown key 'optim.optimizer._target_'"]),
        ("act=carelu_l1", ["unknown act 'carelu_l1'"]),
        ("~optim.optimizer.nesterov", ["~optim.optimizer.nesterov"]),
        ("~seed", ["~seed"]),
        ("act=glob(zzz*)", ["act=glob(zzz*)", "carelu"]),
        ("seed=99999999999999999999999", ["seed=99999999999999999999999", "<"]),
        ("seed=???", ["seed"]),
        ("seed=${nothing}", ["nothing"]),
        ("output_root=/dev/null/x", ["output_root=/dev/null/x cannot be written: Not a directory"]),
    ],
)
def test_a_wrong_argument_is_answered_in_one_line_that_names_key_and_accepted_values(argument, parts_of_the_answer):
    with pytest.raises(BadInput) as caught:
        check_command(["-m", argument])
    assert "\n" not in str(caught.value)
    for part in parts_of_the_answer:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "parts_of_the_answer"),
    [
        ("-m hydra/launcher=poool", ["unknown hydra/launcher 'poool'", "did you mean pool"]),
        ("-m hydra/launcher=pool,basic", ["one sweep has one hydra/launcher"]),
        ("-m hydra/launcher=pool hydra.launcher.worker=2", ["did you mean hydra.launcher.workers"]),
        ("-m hydra/launcher=pool hydra.launcher.workers=0", ["workers=0 is not accepted; accepted: an integer ≥ 1"]),
        ("-m hydra/launcher=pool hydra.launcher.per_gpu=two", ["per_gpu=two is not accepted; accepted: an integer"]),
        ("-m hydra/launcher=pool trainer.device=cuda:1", ["trainer.device=cuda:1", "CUDA_VISIBLE_DEVICES=1"]),
        ("-m hydra/launcher=pool trainer.device=cpu,cuda", ["trainer.device=cpu,cuda", "one device"]),
        ("-m hydra/launcher=submitit_slurm hydra.launcher.timeout_min=0", ["timeout_min=0 is not accepted"]),
        ("-m hydra/launcher=submitit_slurm hydra.launcher.nodes=2", ["accepted: 1, as a run is one process"]),
        ("-m hydra/launcher=submitit_slurm hydra.launcher.workers=1", ["unknown option", "submitit_slurm"]),
        ("-m hydra/launcher=submitit_slurm", ["no `sbatch` on this machine", "hydra/launcher=pool"]),
        ("hydra/launcher=pool", ["hydra/launcher=pool is for sweeps", "python run.py -m"]),
        ("hydra.launcher.workers=2", ["is for sweeps", "python run.py -m"]),
        ("-m hydra.swep.dir=x", ["swep"]),
        ("-m hydra.sweeper.params.seed=1", ["give the values themselves, like seed=0,1,2"]),
        ("-m --cfg job", ["leave one out"]),
        ("+experiment=paper_all", ["is a sweep, not one run", "python run.py -m +experiment=paper_all"]),
        ("-m +experiment=paper_al", ["unknown experiment 'paper_al'", "did you mean paper_all"]),
        ("-m +experiment=paper_all,paper_text", ["+experiment=paper_all,paper_text"]),
        ("-m +experiment=paper_all act=relu,gleu", ["gleu", "did you mean gelu"]),
        ("-m +experiment=paper_all seed=0,-1", ["seed=-1 is not accepted"]),
    ],
)
def test_a_wrong_sweep_is_answered_in_one_line_that_names_key_and_accepted_values(
    arguments, parts_of_the_answer, monkeypatch
):
    monkeypatch.setattr(shutil, "which", lambda name: None)  # whether or not this machine has Slurm
    with pytest.raises(BadInput) as caught:
        check_command(arguments.split())
    assert "\n" not in str(caught.value)
    for part in parts_of_the_answer:
        assert part in str(caught.value)


def test_several_values_without_a_sweep_are_answered_with_the_way_to_sweep():
    with pytest.raises(BadInput, match=r"act=carelu,relu gives several values; .* -m"):
        check_command(["act=carelu,relu"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["task=cifar100", "act=carelu"],
        ["-m", "act=carelu,relu", "seed=0,1,2"],
        ["-m", "act=glob(carelu*)", "seed=range(0,3)"],
        ["act.options.over=[2,3]", "++trainer.epochs=2", "hydra.run.dir=."],
        ["act=relu", "--cfg", "job"],
        ["optim=adamw", "trainer.max_steps=null"],
        ["+experiment=paper_all", "--cfg", "job"],
        ["-m", "hydra/launcher=pool", "hydra.launcher.workers=2", "hydra.launcher.per_gpu=3"],
        ["act=relu,carelu", "-m", "hydra/launcher=pool", "trainer.device=cpu"],
    ],
)
def test_a_right_command_passes(arguments):
    check_command(arguments)


def test_one_run_is_no_sweep():
    assert check_command(["act=relu"]) is None


def test_a_sweep_is_every_combination_of_its_values():
    plan = check_command(["-m", "act=relu,carelu", "seed=range(0,2)", "data=sample", "output_root=here"])
    assert plan.jobs == [
        ["act=relu", "seed=0", "data=sample", "output_root=here"],
        ["act=relu", "seed=1", "data=sample", "output_root=here"],
        ["act=carelu", "seed=0", "data=sample", "output_root=here"],
        ["act=carelu", "seed=1", "data=sample", "output_root=here"],
    ]
    assert plan.folder.parent.as_posix() == "here/sweeps"
    assert plan.launcher == "basic"


def runs_of(*arguments):
    """What each run of a sweep is called."""
    return [identify(*compose([*job, *RESOLVED])) for job in check_command(["-m", *arguments]).jobs]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", options_of("experiment"))
def test_every_experiment_is_a_sweep_of_different_runs_over_its_seeds(experiment):
    jobs = check_command(["-m", f"+experiment={experiment}", "recipe=small,standard"]).jobs
    assert len(set(map(tuple, jobs))) == len(jobs) > 2
    seeds = {word for job in jobs for word in job if word.startswith("seed=")}
    compared = {"seed=0", "seed=1", "seed=2"}
    assert seeds == compared if experiment.startswith("paper_") else seeds and not seeds & compared


@pytest.mark.slow
def test_the_whole_comparison_is_every_task_activation_and_seed():
    jobs = check_command(["-m", "+experiment=paper_all", "recipe=small"]).jobs
    tasks, activations = ("cifar100", "superres", "text"), ("relu", "prelu", "gelu", "swish", "carelu")
    same = ["+experiment=paper_all", "recipe=small"]
    assert jobs == [
        [f"task={task}", f"act={act}", f"seed={seed}", *same]
        for task in tasks
        for act in activations
        for seed in range(3)
    ]
    for task in tasks:
        part = check_command(["-m", f"+experiment=paper_{task}"]).jobs
        assert [job[:3] for job in part] == [job[:3] for job in jobs if job[0] == f"task={task}"]


def test_the_command_line_has_the_last_word_on_an_experiment():
    runs = runs_of("+experiment=paper_all", "task=text", "act=relu,elu", "seed=7", "recipe=fast")
    assert [(run.task, run.recipe, run.act, run.seed) for run in runs] == [
        ("text", "fast", "relu", 7),
        ("text", "fast", "elu", 7),
    ]


@pytest.mark.slow
def test_the_study_of_competition_starts_at_a_scale_of_one_and_never_looks_at_test():
    runs = runs_of("+experiment=competition", "seed=100")
    assert [label(run.act, run.overrides, "act.options") for run in runs] == [
        "carelu(alpha=0)",
        "carelu",
        *(f"carelu(alpha={alpha})" for alpha in (2, 4, 8)),
    ]
    for run in runs:
        assert (run.data, run.recipe) == ("cifar100", "small")
        assert (run.overrides["data.held_out"], run.overrides["trainer.selection"]) == (5000, "validation")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["cifar100", "superres", "text"])
def test_tuning_gives_every_activation_the_same_learning_rates_and_judges_on_held_out_data(task):
    rates = {}
    for job in check_command(["-m", f"+experiment=tuning_{task}"]).jobs:
        words = dict(word.split("=") for word in job if not word.startswith("+"))
        rates.setdefault((words.get("model"), words["act"]), []).append(float(words["optim.optimizer.lr"]))
    assert {act for _, act in rates} == {"relu", "carelu", "carelu_relu_start", "gelu", "prelu", "swish"}
    (grid,) = {tuple(each) for each in rates.values()}
    assert len(set(grid)) == 3
    tuned = runs_of(f"+experiment=tuning_{task}", "act=relu", f"optim.optimizer.lr={grid[0]}")
    assert {run.overrides["trainer.selection"] for run in tuned} == {"validation"}
    assert {run.overrides["optim.optimizer.lr"] for run in tuned} == {grid[0]}


TASK_FILE = """# @package _global_
# Mine
defaults:
  - override /data: full
  - override /model: mlp
  - override /optim: adam
task:
  name: mine
  package: mine_package
"""

SPEC_FILE = """
from experiments.configuration.options import DataOptions, ModelOptions, TaskOptions
from experiments.configuration.task_spec import Metric, TaskSpec

METRIC = Metric("accuracy", "%", 2, higher_is_better=True)
SPEC = TaskSpec("mine", "Mine", "accuracy", {"accuracy": METRIC}, 0.5, TaskOptions, {"drawn": DataOptions},
                {"mlp": ModelOptions})
"""


def test_a_missing_file_of_configuration_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("CARELU_CONFIG_DIR", str(tmp_path / "configs"))
    monkeypatch.syspath_prepend(tmp_path)

    def add(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def answer():
        with pytest.raises(BadInput) as error:
            check_command(["task=mine"])
        assert "\n" not in str(error.value)
        return str(error.value)

    add("mine_package/__init__.py", "")
    add("mine_package/spec.py", SPEC_FILE)
    add("configs/task/mine.yaml", TASK_FILE)
    assert answer().startswith("there is no file model/<task>/mlp.yaml in ")
    add("configs/model/mine/mlp.yaml", "# Mine\nmodel: {name: mlp, architecture: mlp}\n")
    assert answer().startswith("data.source is missing; it is set by a file data/mine/NAME.yaml")
    add("configs/data/mine/full.yaml", "# Mine\ndata: {name: mine, source: drawn}\n")
    check_command(["task=mine"])  # a recipe is not needed
    add("configs/task/mine.yaml", TASK_FILE.replace("adam", "adamm"))
    assert "there is no file optim/adamm.yaml" in answer() and answer().endswith("accepted: adam, adamw, sgd")
    add("configs/task/mine.yaml", "task: [")
    assert "is not YAML" in answer()
