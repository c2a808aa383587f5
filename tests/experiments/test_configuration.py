"""What a command line may say, and what a run is called."""

import shlex

import pytest
import yaml

from carelu import activation_names, activation_options
from experiments.configuration import (
    BY_TASK,
    CONFIG_DIR,
    as_dict,
    check_choices,
    check_command,
    check_values,
    compose,
    identify,
    words_of,
)
from experiments.errors import BadInput
from experiments.ledger import COLUMNS

SETTLED = ["trainer.device=cpu", "trainer.precision=float32"]


def identity_of(*overrides):
    return identify(*compose([*SETTLED, *overrides]))


def test_every_registered_activation_has_a_config_and_every_config_a_registered_activation():
    assert set(words_of("act")) == set(activation_names())


@pytest.mark.parametrize("name", activation_names())
def test_the_config_of_an_activation_states_the_defaults_of_the_library(name):
    settings = yaml.safe_load((CONFIG_DIR / "act" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert settings == {"name": name, "kwargs": activation_options(name)}


@pytest.mark.parametrize("group", BY_TASK)
def test_every_word_of_a_task_is_an_option_of_its_group(group):
    for task in words_of("task"):
        assert set(words_of(group, task)) <= set(words_of(group))


def test_every_option_says_what_it_is():
    files = [file for file in CONFIG_DIR.rglob("*.yaml") if file.name != "config.yaml"]
    for file in files:
        folder = file.parent.relative_to(CONFIG_DIR).as_posix()
        assert words_of(folder)[file.stem], f"{file} does not open with a comment that says what it is"


def test_every_key_has_a_comment_where_it_is_defined():
    for file in CONFIG_DIR.rglob("*.yaml"):
        if "recipe" in file.parts:
            continue  # recipes give other values to keys that are defined elsewhere
        for line in file.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            is_leaf = value.strip() and not key.lstrip().startswith(("#", "-"))
            assert not is_leaf or "#" in value or key.strip() in ("dir", "subdir", "output_subdir"), f"{file}: {line}"


@pytest.mark.parametrize("experiment", words_of("experiment"))
def test_every_experiment_composes(experiment):
    check_values(compose([f"+experiment={experiment}"])[0])


@pytest.mark.parametrize("task", words_of("task"))
@pytest.mark.parametrize("group", [*BY_TASK, "act", "optim", "logger"])
def test_every_option_composes_and_is_accepted(task, group):
    for word in words_of(group, task if group in BY_TASK else None):
        cfg, choices = compose([f"task={task}", f"{group}={word}"])
        check_choices(choices)
        check_values(cfg)


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
        ("trainer.epohcs=3", ["did you mean trainer.epochs", "--cfg job"]),
        ("act.kwargs.gian=2", ["did you mean act.kwargs.gain"]),
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
        ("~optim.optimizer.nesterov", ["cannot be taken away"]),
        ("~seed", ["cannot be taken away"]),
        ("act=glob(zzz*)", ["act=glob(zzz*) fits nothing", "carelu"]),
        ("seed=99999999999999999999999", ["seed=99999999999999999999999", "<"]),
        ("seed=???", ["seed"]),
        ("seed=${nothing}", ["nothing"]),
        ("output_root=/dev/null/x", ["output_root=/dev/null/x cannot be written: Not a directory"]),
    ],
)
def test_a_wrong_argument_is_answered_in_one_line_that_names_the_way_out(argument, parts_of_the_answer):
    with pytest.raises(BadInput) as caught:
        check_command(["-m", argument])
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
        ["act.kwargs.over=[2,3]", "++trainer.epochs=2", "hydra.run.dir=."],
        ["act=relu", "--cfg", "job"],
        ["optim=adamw", "trainer.max_steps=null"],
    ],
)
def test_a_right_command_passes(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_command(arguments)


def test_a_new_key_is_refused_even_with_a_plus():
    with pytest.raises(BadInput, match="unknown key 'nonsense'"):
        identity_of("+nonsense=1")


def test_where_a_run_is_kept_does_not_change_what_it_is():
    here = identity_of()
    there = identity_of("data.root=elsewhere", "logger=wandb", "trainer.checkpoint_minutes=1", "force=true")
    assert (there.run_id, there.command, there.directory) == (here.run_id, here.command, here.directory)
    assert identity_of("output_root=elsewhere").run_id == here.run_id
    assert identity_of("trainer.device=cuda:1").run_id == identity_of("trainer.device=cuda").run_id


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("act.kwargs.gain=2", "act.kwargs.gain=2.0"),
        ("optim.optimizer.weight_decay=0", "optim.optimizer.weight_decay=0.0"),
        ("task.augmentation.rotation_degrees=15", "seed=0"),
    ],
)
def test_one_value_written_in_two_ways_is_one_run(one, same):
    assert identity_of(one) == identity_of(same)


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "act=relu",
        "act.kwargs.gain=2.0",
        "trainer.epochs=3",
        "trainer.max_steps=5",
        "optim=adamw",
        "model.width=8",
        "data=sample",
        "data.held_out=5000",
        "trainer.precision=bfloat16",
        "task.augmentation.flip=false",
    ],
)
def test_every_setting_that_matters_makes_another_run(override):
    usual, other = identity_of(), identity_of(override)
    assert usual.config_hash != other.config_hash
    assert usual.directory != other.directory


def test_a_departure_from_a_named_choice_shows_in_its_column():
    identity = identity_of("act.kwargs.gain=2.0", "recipe=small", "trainer.max_steps=5", "data.held_out=100")
    assert identity.act == "carelu(gain=2)"
    assert identity.recipe == "small(trainer.max_steps=5)"
    assert identity.data == "cifar100(held_out=100)"
    assert identity_of("optim=adamw").recipe == "standard(optim=adamw)"
    assert identity_of("model.width=32").model == "resnet18-w32"


def test_a_name_that_its_word_did_not_choose_is_refused():
    with pytest.raises(BadInput, match=r"choose with data=…"):
        identity_of("data=sample", "data.name=cifar100")


@pytest.mark.parametrize(
    "overrides",
    [
        ["act=prelu", "seed=3"],
        ["recipe=fast", "data=sample", "act.kwargs.over=[2,3]", "optim.schedule.milestones=[3,4]"],
        ["optim=adamw", "model.width=8", "data.held_out=100", "trainer.selection=validation"],
        ["model._target_='a (b), c=\\'d\\' e'"],
    ],
)
def test_the_recorded_command_makes_the_same_run(overrides):
    identity = identity_of(*overrides)
    python, script, *again = shlex.split(identity.command)
    assert (python, script) == ("python", "run.py")
    assert identity_of(*again) == identity


def test_device_and_precision_have_columns_of_their_own():
    assert {"device", "precision"} <= set(COLUMNS)
    assert identity_of("trainer.precision=bfloat16").recipe == "standard"


def test_the_keys_that_other_peoples_commands_rely_on_exist():
    settings = as_dict(compose(["logger=wandb"])[0])
    assert {"task", "act", "recipe", "model", "data", "seed", "output_root", "logger", "force"} <= set(settings)
    assert "root" in settings["data"]
    assert {"epochs", "max_steps", "device", "precision"} <= set(settings["trainer"])
