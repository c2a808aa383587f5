"""Recipes with tuned values: what a ledger chose, written for each model and activation, and what a run takes of it."""

import pytest
import yaml

from experiments.analysis.evidence import read_evidence
from experiments.analysis.tuned_recipes import tuned_recipes
from experiments.analysis.tuning import tune
from experiments.configuration.composition import compose, options_of
from experiments.errors import BadInput
from scripts import make_recipes
from tests.conftest import ROOT
from tests.experiments.analysis.test_tuning import KEY, grid_of
from tests.experiments.ledgers import write

COMMITTED = sorted((ROOT / "configs" / "recipe").glob("*/*/tuned/*.yaml"))


def with_words(rows, *words):
    return [{**each, "command": " ".join([each["command"], *words])} for each in rows]


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Calls the script on a ledger in tmp_path; returns its exit code."""
    write(tmp_path / "ledger.csv", with_words(grid_of(), "model=resnet18"))

    def main(*arguments):
        ledger, out = str(tmp_path / "ledger.csv"), str(tmp_path / "recipe")
        monkeypatch.setattr("sys.argv", ["make_recipes.py", "--ledger", ledger, "--out", out, *arguments])
        return make_recipes.main()

    return main


def test_each_model_and_activation_gets_the_value_chosen_on_the_held_out_part(tmp_path):
    tuning = tune(read_evidence(write(tmp_path / "ledger.csv", with_words(grid_of(), "model=resnet18"))), KEY)
    recipes = tuned_recipes(tuning, "medium", "results/tuning/ledger.csv")
    found = {str(path): yaml.safe_load(text) for path, text in recipes.items()}
    assert found == {
        "cifar100/medium/tuned/resnet18_carelu.yaml": {"optim": {"optimizer": {"lr": 0.1}}},
        "cifar100/medium/tuned/resnet18_relu.yaml": {"optim": {"optimizer": {"lr": 0.2}}},
    }


def test_two_data_sets_that_choose_differently_are_refused(tmp_path):
    other = {"relu": {"0.1": 55.0, "0.2": 52.0}, "carelu": {"0.1": 55.0, "0.2": 53.0}}
    one = {"relu": {"0.1": 50.0, "0.2": 52.0}, "carelu": {"0.1": 55.0, "0.2": 53.0}}
    rows = [*grid_of(one, data="snli"), *grid_of(other, data="sst2")]
    tuning = tune(read_evidence(write(tmp_path / "ledger.csv", with_words(rows, "model=bert"))), KEY)
    with pytest.raises(BadInput, match=r"bert_relu\.yaml would hold two values of .*lr: 0\.2 of snli and 0\.1 of sst2"):
        tuned_recipes(tuning, "medium", "ledger.csv")


@pytest.mark.parametrize(
    ("alpha", "files"),
    [
        (1.0, ["resnet18_carelu.yaml", "resnet18_relu.yaml"]),
        (0.0, ["resnet18_carelu_relu_start.yaml", "resnet18_relu.yaml"]),
        (3.0, ["resnet18_relu.yaml"]),
    ],
)
def test_a_value_goes_to_the_option_of_act_that_gives_the_options_of_its_runs(alpha, files, tmp_path):
    before = grid_of()
    folder = tmp_path / "configs"
    folder.mkdir()
    for each in before:
        options = yaml.safe_load((ROOT / "configs" / "act" / f"{each['act']}.yaml").read_text(encoding="utf-8"))
        if each["act"] == "carelu":
            options["options"]["alpha"] = alpha
        (folder / f"{each['run_id']}.yaml").write_text(yaml.safe_dump({"act": options}))
    tuning = tune(read_evidence(write(tmp_path / "ledger.csv", with_words(before, "model=resnet18"))), KEY)
    assert [path.name for path in tuned_recipes(tuning, "medium", "ledger.csv")] == files


def test_the_script_writes_and_then_finds_nothing_wrong(call, tmp_path, capsys):
    assert call("--check") == 1
    assert not (tmp_path / "recipe").exists()
    assert call() == 0 and call("--check") == 0
    file = tmp_path / "recipe/cifar100/medium/tuned/resnet18_relu.yaml"
    file.write_text(file.read_text().replace("0.2", "0.3"))
    capsys.readouterr()
    assert call("--check") == 1
    assert f"error: {file} is not what" in capsys.readouterr().err


def test_a_file_that_no_run_stands_behind_is_named(call, tmp_path, capsys):
    assert call() == 0
    file = tmp_path / "recipe/cifar100/medium/tuned/resnet18_gelu.yaml"
    file.write_text("# @package _global_\noptim: {optimizer: {lr: 0.3}}\n")
    assert call("--check") == 1
    assert f"error: {file} is not what" in capsys.readouterr().err


def test_the_committed_values_are_those_of_the_committed_ledger(monkeypatch):
    monkeypatch.setattr("sys.argv", ["make_recipes.py", "--check"])
    assert make_recipes.main() == 0


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: f"{file.parts[-4]} {file.stem}")
def test_a_run_takes_the_tuned_value_and_the_command_line_overrides_it(file):
    task, recipe = file.parts[-4:-2]
    act = max((word for word in options_of("act") if file.stem.endswith(f"_{word}")), key=len)
    model = file.stem.removesuffix(f"_{act}")
    words = [f"task={task}", f"recipe={recipe}", f"model={model}", f"act={act}"]
    tuned = yaml.safe_load(file.read_text(encoding="utf-8"))["optim"]["optimizer"]["lr"]
    assert compose(words)[0].optim.optimizer.lr == tuned
    assert compose([*words, "optim.optimizer.lr=0.3"])[0].optim.optimizer.lr == 0.3
