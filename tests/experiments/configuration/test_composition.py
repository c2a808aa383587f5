"""The files in configs/, the words of each group, and values as the command line takes them."""

import os

import pytest
import yaml

from carelu import activation_names, activation_options
from experiments.configuration import composition
from experiments.configuration.composition import (
    CONFIG_DIR,
    FOLDERS_VARIABLE,
    GROUPS_BY_TASK,
    add_config_folders,
    as_dict,
    compose,
    compose_with_hydra,
    config_folders,
    literal,
    options_of,
)
from experiments.errors import BadInput


@pytest.mark.parametrize("word", options_of("act"))
def test_the_config_of_an_activation_states_the_options_of_the_library(word):
    settings = yaml.safe_load((CONFIG_DIR / "act" / f"{word}.yaml").read_text(encoding="utf-8"))
    assert settings["name"] in activation_names()
    assert set(settings["options"]) == set(activation_options(settings["name"]))
    if settings["name"] == word:
        differs = {"alpha": 1.0} if word == "carelu" else {}  # competes; the library's starts as ReLU, to replace it
        assert settings["options"] == {**activation_options(word), **differs}


def test_every_name_in_a_config_of_an_activation_has_its_own_config():
    names = {yaml.safe_load((CONFIG_DIR / "act" / f"{word}.yaml").read_text())["name"] for word in options_of("act")}
    assert names <= set(options_of("act"))


@pytest.mark.parametrize("group", GROUPS_BY_TASK)
def test_the_words_of_a_group_are_those_of_all_tasks(group):
    words = {word for task in options_of("task") for word in options_of(group, task)}
    assert set(options_of(group)) == words
    assert not list((CONFIG_DIR / group).glob("*.yaml"))


def test_every_option_says_what_it_is():
    files = [file for file in CONFIG_DIR.rglob("*.yaml") if file.name != "config.yaml"]
    for file in files:
        task = None if file.parent.parent == CONFIG_DIR else file.parent.name
        group = file.parent.relative_to(CONFIG_DIR).as_posix().removesuffix(f"/{task}")
        assert options_of(group, task)[file.stem], f"{file} does not open with a comment that says what it is"


def test_every_key_has_a_comment_where_it_is_defined():
    for file in CONFIG_DIR.rglob("*.yaml"):
        if "recipe" in file.parts:
            continue  # recipes give other values to keys that are defined elsewhere
        for line in file.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            is_leaf = value.strip() and not key.lstrip().startswith(("#", "-", "{"))
            assert not is_leaf or "#" in value or key.strip() in ("dir", "subdir", "output_subdir"), f"{file}: {line}"


def test_no_config_of_a_run_holds_an_import_path_but_the_package_of_its_task():
    for file in CONFIG_DIR.rglob("*.yaml"):
        if "hydra" not in file.parts:
            text = file.read_text(encoding="utf-8")
            assert "_target_" not in text, file
            lines = [line for line in text.splitlines() if "experiments." in line]
            assert len(lines) == (file.parent.name == "task"), lines


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
def test_one_folder_for_all_data_holds_that_of_each_task(words, folder):
    cfg, _ = compose([*words.split(), "data_root=/all data"])
    assert cfg.data.root == f"/all data{folder}"


def test_the_keys_that_other_peoples_commands_rely_on_exist():
    settings = as_dict(compose(["logger=wandb"])[0])
    assert {"task", "act", "recipe", "model", "data", "seed", "output_root", "logger", "force"} <= set(settings)
    assert "root" in settings["data"]
    assert {"epochs", "max_steps", "device", "precision", "threads"} <= set(settings["trainer"])


AWKWARD = [
    *("", " ", "a b", "true", "NULL", "1", "1e5", "1_000", "nan", "0x1", "é", "a=b", "a,b", "[a]", "{a:1}", "(x)"),
    *("'", '"', "it's", "\\", "\\\\", "a\\", "\\'", "\\\\'", "'\\", "${x}", "\\${x}", "$x", "$", "${", "'${x}'"),
    *(
        "#x",
        "~x",
        "+x",
        "-x",
        "a:b",
        "a\tb",
        "choice(1,2)",
        "*",
        "/tmp/a-b.c",
        "%",
        "@x",
        "null ",
        "..",
        "${oc.env:X}b",
    ),
]
OTHERS = [["é", "b'", "${x}"], [], [1, 2.5, None, True], {"a": "b'"}, 1e-30, -3, 2**62, None, False]


def test_values_written_for_the_command_line_are_read_back_as_they_were():
    values = [*AWKWARD, *OTHERS]
    cfg, _ = compose([f"+act.options.value{number}={literal(value)}" for number, value in enumerate(values)])
    options = as_dict(cfg)["act"]["options"]
    for number, value in enumerate(values):
        back = options[f"value{number}"]
        assert (back, type(back)) == (value, type(value))


def test_a_further_folder_adds_words_without_a_file_in_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "data/cifar100").mkdir(parents=True)
    (tmp_path / "data/cifar100/mine.yaml").write_text(
        "# Images of mine\ndata:\n  name: mine\n  source: sample\n  root: x\n  held_out: 3\n"
    )
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    assert options_of("data", "cifar100")["mine"] == "Images of mine"
    assert "mine" in options_of("data")
    assert compose(["data=mine"])[0].data.held_out == 3


def test_a_file_that_changes_between_two_compositions_counts(tmp_path, monkeypatch):
    file = tmp_path / "data/cifar100/mine.yaml"
    file.parent.mkdir(parents=True)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path))
    for held_out in (3, 4):
        file.write_text(f"# Mine\ndata:\n  name: mine\n  source: sample\n  root: x\n  held_out: {held_out}\n")
        os.utime(file, (held_out, held_out))  # two writes within one tick of the clock
        assert compose(["data=mine"])[0].data.held_out == held_out


def test_a_composed_configuration_that_is_changed_is_no_one_elses():
    compose_with_hydra(["seed=7"]).trainer.epochs = 99
    assert compose_with_hydra(["seed=7"]).trainer.epochs != 99


def test_the_option_config_dir_reaches_processes_that_are_started(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(tmp_path / "one"))
    add_config_folders(["task=toy", "--config-dir", "two"])
    add_config_folders([f"--config-dir={tmp_path / 'two'}"])
    assert os.environ[FOLDERS_VARIABLE].split(os.pathsep) == [str(tmp_path / "one"), str(tmp_path / "two")]
    assert config_folders() == [composition.CONFIG_DIR, tmp_path / "one", tmp_path / "two"]


def test_a_folder_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(FOLDERS_VARIABLE, "/no/such/folder")
    with pytest.raises(BadInput, match="/no/such/folder"):
        config_folders()
