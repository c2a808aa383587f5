"""What a command line may say, and what a run is called."""

import shlex

import pytest
import yaml

from carelu import activation_names, activation_options
from experiments.configuration.composition import CONFIG_DIR, GROUPS_BY_TASK, as_dict, compose, options_of
from experiments.configuration.identity import identify
from experiments.configuration.schema import check_choices, check_values
from experiments.errors import BadInput
from experiments.record.ledger import COLUMNS

SETTLED = ["trainer.device=cpu", "trainer.precision=float32"]


def identity_of(*overrides):
    return identify(*compose([*SETTLED, *overrides]))


def test_every_registered_activation_has_a_config_and_every_config_a_registered_activation():
    assert set(options_of("act")) == set(activation_names())


@pytest.mark.parametrize("name", activation_names())
def test_the_config_of_an_activation_states_the_defaults_of_the_library(name):
    settings = yaml.safe_load((CONFIG_DIR / "act" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert settings == {"name": name, "kwargs": activation_options(name)}


@pytest.mark.parametrize("group", GROUPS_BY_TASK)
def test_every_word_of_a_task_is_an_option_of_its_group(group):
    for task in options_of("task"):
        assert set(options_of(group, task)) <= set(options_of(group))


def test_every_option_says_what_it_is():
    files = [file for file in CONFIG_DIR.rglob("*.yaml") if file.name != "config.yaml"]
    for file in files:
        folder = file.parent.relative_to(CONFIG_DIR).as_posix()
        assert options_of(folder)[file.stem], f"{file} does not open with a comment that says what it is"


def test_every_key_has_a_comment_where_it_is_defined():
    for file in CONFIG_DIR.rglob("*.yaml"):
        if "recipe" in file.parts:
            continue  # recipes give other values to keys that are defined elsewhere
        for line in file.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            is_leaf = value.strip() and not key.lstrip().startswith(("#", "-", "{"))
            assert not is_leaf or "#" in value or key.strip() in ("dir", "subdir", "output_subdir"), f"{file}: {line}"


@pytest.mark.parametrize("task", options_of("task"))
@pytest.mark.parametrize("group", [*GROUPS_BY_TASK, "act", "optim", "logger"])
def test_every_option_composes_and_is_accepted(task, group):
    for word in options_of(group, task if group in GROUPS_BY_TASK else None):
        cfg, choices = compose([f"task={task}", f"{group}={word}"])
        check_choices(choices)
        check_values(cfg)


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
    ("words", "folder"),
    [
        ("task=cifar100", ""),
        ("task=superres", "/bsds300"),
        ("task=superres data=div2k", "/DIV2K"),
        ("task=text", "/snli"),
        ("task=text data=sst2", "/sst2"),
    ],
)
def test_one_folder_for_all_data_holds_that_of_each_task_and_changes_no_run(words, folder):
    cfg, _ = compose([*words.split(), "data_root=/all data"])
    assert cfg.data.root == f"/all data{folder}"
    there = identity_of(*words.split(), "data_root='/all data'")
    assert (there.run_id, there.command) == (identity_of(*words.split()).run_id, identity_of(*words.split()).command)
    assert there.elsewhere == ["data_root='/all data'"]


@pytest.mark.parametrize(
    ("words", "run_id"),
    [
        ("task=cifar100 data=full", "cifar100-small-relu-s0-efed2c6511"),
        ("task=superres data.test_sets=[set5]", "superres-small-relu-s0-b3b75622fe"),
        ("task=text data=snli_subset", "text-small-relu-s0-4fa50cce91"),
        ("task=text data=sst2", "text-small-relu-s0-d13feb1b55"),
    ],
)
def test_published_runs_keep_their_names(words, run_id):
    assert identity_of("act=relu", "recipe=small", *words.split()).run_id == run_id


def test_the_small_recipe_takes_the_bundled_part_of_snli_and_says_so():
    small, subset = (identity_of("task=text", "recipe=small", *more) for more in ((), ("data=snli_subset",)))
    assert (small.run_id, small.directory, small.data) == (subset.run_id, subset.directory, "snli-38.7k-subset")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("act.options.gain=2", "act.options.gain=2.0"),
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
        "act.options.gain=2.0",
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
    identity = identity_of("act.options.gain=2.0", "recipe=small", "trainer.max_steps=5", "data.held_out=100")
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
        ["recipe=fast", "data=sample", "act.options.over=[2,3]", "optim.schedule.milestones=[3,4]"],
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
