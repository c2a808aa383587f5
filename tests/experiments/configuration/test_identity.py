"""What a run is called, what departs from its names, and the command that makes it again."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.configuration.composition import (
    CONFIG_DIR,
    FOLDERS_VARIABLE,
    ROOT,
    activation_files,
    compose,
    literal,
    options_of,
)
from experiments.configuration.identity import identify, label
from experiments.errors import BadInput
from tests.experiments.configuration.test_composition import AWKWARD

RESOLVED = ["trainer.device=cpu", "trainer.precision=float32", "trainer.threads=2"]


def identity_of(*overrides):
    return identify(*compose([*RESOLVED, *overrides]))


def test_a_new_key_is_refused_even_with_a_plus():
    with pytest.raises(BadInput, match="unknown key 'nonsense'"):
        identity_of("+nonsense=1")
    with pytest.raises(BadInput, match=r"unknown key 'optim.optimizer.dampening'"):
        identity_of("+optim.optimizer.dampening=0.1")


def test_where_a_run_is_kept_does_not_change_what_it_is():
    here = identity_of()
    there = identity_of("data.root=elsewhere", "logger=wandb", "trainer.checkpoint_minutes=1", "force=true")
    assert (there.run_id, there.command, there.directory) == (here.run_id, here.command, here.directory)
    assert there.overrides == {}
    assert there.elsewhere == ["logger=wandb", "data.root=elsewhere", "trainer.checkpoint_minutes=1"]
    assert identity_of("output_root=elsewhere").run_id == here.run_id
    assert identity_of("trainer.device=cuda:1").run_id == identity_of("trainer.device=cuda").run_id


def test_the_content_of_the_data_is_part_of_a_run():
    cfg, choices = compose(RESOLVED)
    ids = [identify(cfg, choices, content).run_id for content in ("", "da7a", "07e4")]
    assert len({*ids}) == 3
    assert identify(cfg, choices, "da7a").command == identify(cfg, choices).command


def test_where_own_files_are_does_not_change_a_run_whose_content_is_known():
    def identity(root, *content):
        places = [f"data.{part}={root}/{part}.csv" for part in ("train", "test")]
        return identify(*compose([*RESOLVED, "task=text", "data=csv", *places]), *content)

    here, there = identity("here", "da7a"), identity("there", "da7a")
    assert (here.run_id, here.overrides) == (there.run_id, {})
    assert identity("here").run_id != identity("there").run_id
    assert "data.train=there/train.csv" in there.command


@pytest.mark.parametrize("words", ["task=cifar100", "task=superres data=div2k", "task=text data=sst2"])
def test_one_folder_for_all_data_changes_no_run(words):
    here, there = identity_of(*words.split()), identity_of(*words.split(), "data_root='/all data'")
    assert (there.run_id, there.command) == (here.run_id, here.command)
    assert there.elsewhere == ["data_root='/all data'"]


@pytest.mark.parametrize(
    ("words", "run_id"),
    [
        ("task=cifar100 data=full", "cifar100-small-relu-s0-24bc946fa8"),
        ("task=superres data.test_sets=[set5]", "superres-small-relu-s0-4b735470ae"),
        ("task=text data=snli_subset", "text-small-relu-s0-02620787e4"),
        ("task=text data=sst2", "text-small-relu-s0-4fadb1b360"),
    ],
)
def test_runs_keep_their_names(words, run_id):
    assert identity_of("act=relu", "recipe=small", *words.split()).run_id == run_id


def test_a_start_of_an_activation_is_one_run_however_it_is_asked_for():
    word = identity_of("act=carelu_sign")
    options = identity_of("act=carelu", "act.options.alpha=2", "act.options.beta=-1")
    assert word == options
    assert (word.act, word.overrides) == ("carelu", {"act.options.alpha": 2, "act.options.beta": -1})
    assert "/carelu/" in word.directory.as_posix()
    assert identity_of("act=carelu_sign", "act.options.alpha=1", "act.options.beta=null") == identity_of("act=carelu")


def test_an_option_of_act_may_have_a_tuned_value_of_its_own_and_is_one_run_however_it_is_asked_for(
    monkeypatch, tmp_path
):
    tuned = tmp_path / "recipe" / "superres" / "medium" / "tuned"
    tuned.mkdir(parents=True)
    (tuned / "mine_carelu_sign.yaml").write_text("# @package _global_\noptim: {optimizer: {lr: 0.25}}\n")
    model = (CONFIG_DIR / "model" / "superres" / "espcn.yaml").read_text(encoding="utf-8")
    (tmp_path / "model" / "superres").mkdir(parents=True)
    (tmp_path / "model" / "superres" / "mine.yaml").write_text(model)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    words = ["task=superres", "recipe=medium", "model=mine"]
    options = ["act=carelu", "act.options.alpha=2", "act.options.beta=-1"]

    own = identity_of(*words, "act=carelu_sign")
    assert own.overrides == {"act.options.alpha": 2, "act.options.beta": -1}
    assert "act=carelu_sign" in own.command and "optim.optimizer.lr" not in own.command
    assert identity_of(*words, *options, "optim.optimizer.lr=0.25") == own

    usual = identity_of(*words, *options)
    assert usual.overrides == own.overrides | {"optim.optimizer.lr": 0.001}
    for each in (own, usual):
        assert_command_makes_the_same_run(each)


def test_the_options_of_an_activation_are_found_by_the_name_in_their_files_its_own_file_first(monkeypatch, tmp_path):
    (tmp_path / "act").mkdir()
    text = (CONFIG_DIR / "act" / "carelu.yaml").read_text(encoding="utf-8").replace("1.0e-06", "1e-6")
    (tmp_path / "act" / "a_copy.yaml").write_text(text)
    (tmp_path / "act" / "carelu_not.yaml").write_text("name: prelu\noptions:\n  init: 0.25\n")
    (tmp_path / "act" / "broken.yaml").write_text("name: carelu\noptions: [1\n")
    (tmp_path / "act" / "prelu_odd.yaml").write_text("name: prelu\noptions: 3\n")
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    assert list(activation_files("carelu")) == ["carelu", "a_copy", "carelu_relu_start", "carelu_sign"]
    assert activation_files("relu") == {"relu": {}}
    assert identity_of("act=a_copy") == identity_of("act=carelu")
    assert identity_of("act=carelu_not") == identity_of("act=prelu")


def test_carelu_competes_from_the_start_and_the_start_as_relu_is_an_option():
    default, as_relu = identity_of("act=carelu"), identity_of("act=carelu", "act.options.alpha=0")
    assert identity_of("act=carelu", "act.options.alpha=1") == default
    assert identity_of("act=carelu_relu_start") == as_relu
    assert (default.overrides, as_relu.overrides) == ({}, {"act.options.alpha": 0})


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
        "optim.optimizer.name=NAdam",
        "model.width=8",
        "data=sample",
        "data.held_out=5000",
        "trainer.precision=bfloat16",
        "trainer.threads=3",
        "task.augmentation.flip=false",
    ],
)
def test_every_setting_that_matters_makes_another_run(override):
    usual, other = identity_of(), identity_of(override)
    assert usual.config_hash != other.config_hash
    assert usual.directory != other.directory


def test_what_departs_from_the_names_is_in_the_overrides():
    identity = identity_of("act.options.gain=2.0", "recipe=small", "trainer.max_steps=5", "data.held_out=100", "seed=3")
    assert (identity.act, identity.recipe, identity.data) == ("carelu", "small", "cifar100")
    assert identity.overrides == {"act.options.gain": 2, "trainer.max_steps": 5, "data.held_out": 100}
    assert identity_of("optim=adamw").overrides == {"optim": "adamw"}
    assert identity_of("optim=adamw", "optim.optimizer.lr=0.1").overrides == {
        "optim": "adamw",
        "optim.optimizer.lr": 0.1,
    }
    other = identity_of("model.width=32")
    assert (other.model, other.overrides) == ("resnet18-w32", {})


def test_device_precision_and_threads_are_in_the_command_and_not_in_the_overrides():
    identity = identity_of("trainer.precision=bfloat16", "trainer.threads=7")
    assert identity.overrides == {}
    assert {"trainer.device=cpu", "trainer.precision=bfloat16", "trainer.threads=7"} <= {*shlex.split(identity.command)}


def test_on_a_gpu_the_number_of_threads_is_null():
    identity = identify(*compose(["trainer.device=cuda", "trainer.precision=bfloat16"]))
    assert "trainer.threads=null" in identity.command


@pytest.mark.parametrize(
    ("override", "group"),
    [("data.name=cifar100", "data"), ("model.architecture=edsr", "model"), ("model.name=mine", "model")],
)
def test_a_name_that_its_word_did_not_choose_is_refused(override, group):
    with pytest.raises(BadInput, match=rf"choose with {group}=…|unknown {override.partition('=')[0]}"):
        identity_of("data=sample", override)


@pytest.mark.parametrize(
    "overrides",
    [
        ["act=prelu", "seed=3"],
        ["act=carelu_sign", "act.options.over=channel"],
        ["recipe=fast", "data=sample", "act.options.over=[2,3]", "optim.schedule.milestones=[3,4]"],
        ["optim=adamw", "model.width=8", "data.held_out=100", "trainer.selection=validation"],
        ["task=text", "data=csv", "data.train='it''s.csv'", "data.text=['a b','${c}']".replace("$", "\\$")],
    ],
)
def test_the_recorded_command_makes_the_same_run(overrides):
    overrides = [each.replace("it''s", "it\\'s") for each in overrides]
    assert_command_makes_the_same_run(identity_of(*overrides))


def assert_command_makes_the_same_run(identity):
    python, script, *again = shlex.split(identity.command)
    assert (python, script) == ("python", "run.py")
    assert identify(*compose(again)) == identity


def test_the_recorded_command_holds_awkward_texts():
    names = sorted({text for text in AWKWARD if text})
    identity = identity_of("task=text", "data=csv", "data.train='a (b), \\'c'", f"data.classes={literal(names)}")
    assert identity.overrides == {"data.train": "a (b), 'c", "data.classes": names}
    assert_command_makes_the_same_run(identity)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("act.options", "x(gain=2, over=[2,3])"),
        ("data", "x(held_out=5)"),
        ("model", "x"),
        ("", "x(act.options.gain=2, act.options.over=[2,3], data.held_out=5, optim=adamw)"),
    ],
)
def test_a_label_shows_the_overrides_below_its_prefix(prefix, expected):
    overrides = {"act.options.over": [2, 3], "act.options.gain": 2, "data.held_out": 5, "optim": "adamw"}
    assert label("x", overrides, prefix) == expected


@pytest.mark.slow
def test_moving_the_module_of_a_model_renames_no_run(tmp_path):
    """In a copy of the checkout, resnet.py gets another name."""
    for name in ("carelu", "experiments", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("sample", "snli_*", "__pycache__"))
    package = tmp_path / "experiments/tasks/cifar100"
    (package / "resnet.py").rename(package / "residual_networks.py")
    task = package / "task.py"
    task.write_text(task.read_text(encoding="utf-8").replace("cifar100.resnet ", "cifar100.residual_networks "))
    program = (
        "from experiments.configuration.composition import compose, ROOT\n"
        "from experiments.configuration.identity import identify\n"
        "from experiments.configuration.schema import validate\n"
        "from experiments.tasks.contract import build_task\n"
        f"cfg, choices = compose({[*RESOLVED, 'act=relu', 'recipe=small']!r})\n"
        "build_task(validate(cfg))\n"
        "print(ROOT, identify(cfg, choices).config_hash)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(tmp_path), identity_of("act=relu", "recipe=small").config_hash], done.stderr


def test_every_activation_keeps_its_registry_name():
    for word in options_of("act"):
        identity = identity_of(f"act={word}")
        assert identity.directory.parent.name == identity.act
        assert Path(identity.directory).name == f"s0-{identity.config_hash}"
