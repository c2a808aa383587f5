"""Which tables a ledger has, and what is refused before any is made."""

import json

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.selection import select
from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.run_directory import RESULT
from experiments.report.latex import to_latex
from experiments.report.rendering import to_csv, to_markdown
from experiments.report.tables import build_tables
from tests.experiments.ledgers import cells, grid, row, tables_of, write

TASKS = ("cifar100", "superres", "text")


def mixed():
    """Two recipes in cifar100, one in text."""
    return [
        *grid(["relu", "carelu"], range(2), ["cifar100", "text"]),
        *grid(["relu", "carelu"], range(3), ["cifar100"], recipe="small(trainer.epochs=2)"),
    ]


def test_a_ledger_has_a_table_a_task_one_across_one_of_costs_and_one_of_times(tmp_path):
    tables = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu"], range(2), TASKS))
    assert list(tables) == [*TASKS, "across_tasks", "cost", "time_to_verdict"]


def test_each_table_names_its_own_command_and_the_sweeps_of_its_runs(tmp_path):
    rows = grid(["relu", "carelu"], range(2), TASKS)
    table = tables_of(tmp_path / "ledger.csv", rows, baseline="carelu", metric="top1")["cifar100"]
    assert table.commands == (
        f"python scripts/make_tables.py --ledger {tmp_path / 'ledger.csv'} --baseline carelu --metric top1",
        "python run.py -m task=cifar100 act=relu,carelu recipe=small data=full seed=0,1",
    )


def test_several_recipes_of_one_task_are_refused_with_the_counts(tmp_path):
    answer = (
        r"cifar100 has runs of several recipes: small \(4 runs\), small\(trainer.epochs=2\) \(6 runs\).*--recipe each"
    )
    with pytest.raises(BadInput, match=answer):
        tables_of(tmp_path / "ledger.csv", mixed())


def test_a_named_recipe_is_the_only_one_used(tmp_path):
    tables = tables_of(tmp_path / "ledger.csv", mixed(), recipe="small(trainer.epochs=2)")
    assert list(tables) == ["cifar100", "cost", "time_to_verdict"]
    assert {each["n"].value for each in cells(tables["cifar100"]).values()} == {3}
    assert tables["cost"].warnings == ("Text classification is left out: its runs have the recipe small.",)


def test_each_gives_the_tables_of_every_recipe_under_names_of_their_own(tmp_path):
    tables = tables_of(tmp_path / "ledger.csv", mixed(), recipe="each")
    assert list(tables) == [
        *("cifar100_small", "text_small", "across_tasks_small", "cost_small", "time_to_verdict_small"),
        *(f"{name}_small-trainer.epochs=2" for name in ("cifar100", "cost", "time_to_verdict")),
    ]
    assert {each["n"].value for each in cells(tables["cifar100_small"]).values()} == {2}


def test_another_metric_may_be_compared_against_another_baseline(tmp_path):
    """The use of the study: variants of one activation, selected on the held-out part."""
    acts = ["carelu", "carelu(gain=2)", "carelu(over=channel)", "relu"]
    rows = [
        {**each, "validation/top1": each["top1"] + 1}
        for each in grid(acts, range(3), ["cifar100", "text"])
        if "top1" in each
    ]
    rows += grid(acts, range(3), ["text"])
    tables = tables_of(tmp_path / "ledger.csv", rows, baseline="carelu", metric="validation/top1")
    assert list(tables) == ["cifar100", "cost"]
    found = cells(tables["cifar100"])
    assert list(found) == acts
    assert found["carelu"]["mean"].value == pytest.approx(sum(r["top1"] + 1 for r in rows[::4][:3]) / 3)
    assert "validation set, not the test set" in tables["cifar100"].caption
    assert tables["cost"].warnings == ("Text classification has no table: none of its runs has validation/top1.",)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (
            {"baseline": "elu"},
            r"no run of the baseline 'elu' .*carelu \(2 runs\), relu \(2 runs\); choose .*--baseline",
        ),
        ({"recipe": "smal"}, r"unknown recipe 'smal'; did you mean small\? .*or each"),
        ({"metric": "top2"}, r"unknown metric 'top2'; did you mean top1\?"),
        ({"metric": "speed"}, r"unknown metric of task=cifar100 'speed'; known \(.*cifar100\.spec\): top1"),
        ({"tuned": "optim.optimizer.lr"}, r"unknown key to tune .*keys that runs override: none"),
    ],
)
def test_what_the_ledger_does_not_have_is_answered_with_what_it_has(tmp_path, options, answer):
    rows = [{**each, "speed": 1.0} for each in grid(["relu", "carelu"], range(2))]
    with pytest.raises(BadInput, match=answer):
        tables_of(tmp_path / "ledger.csv", rows, **options)


def test_problems_of_the_ledger_are_in_every_table(tmp_path):
    rows = [*grid(["relu", "carelu"], range(2), TASKS), row("relu", 0, run_id="again"), row("gelu", 0, value="?")]
    tables = tables_of(tmp_path / "ledger.csv", rows)
    for table in tables.values():
        assert "line 15 of ledger.csv is left out: column 'headline_value' is '?', not a number." in table.warnings
        assert any("is not used: again of" in warning for warning in table.warnings)


def test_runs_that_were_left_out_are_named_in_the_tables_of_their_task_and_in_those_of_all(tmp_path):
    rows = [*grid(["relu", "carelu"], range(2), ["cifar100", "text"]), row("relu", 0, recipe="small(trainer.epochs=1)")]
    evidence = select(read_evidence(write(tmp_path / "ledger.csv", rows)))
    named = {table.name for table in build_tables(evidence) if any("left out" in each for each in table.warnings)}
    assert named == {"cifar100", "across_tasks", "cost", "time_to_verdict"}


def test_a_run_directory_without_a_result_is_not_in_the_tables(tmp_path):
    for each in grid(["relu", "carelu"], range(2)):
        folder = tmp_path / "cifar100" / "small" / each["act"] / f"s{each['seed']}-{each['config_hash']}"
        folder.mkdir(parents=True)
        if (each["act"], each["seed"]) != ("carelu", 1):
            (folder / RESULT).write_text(json.dumps(each))
    ledger.rebuild(tmp_path)
    table = build_tables(read_evidence(tmp_path / "ledger.csv"))[0]
    assert cells(table)["carelu"]["n"].value == 1
    assert "CAReLU: 1 pair from 1 seed of it and 2 of ReLU." in table.blocks[0].notes


def test_another_function_under_the_name_of_the_baseline_is_refused(tmp_path):
    rows = grid(["relu", "carelu"], range(3))
    rows[0]["activation_hash"] = "badbadbadbad"
    with pytest.raises(BadInput, match=r"the baseline 'relu' is several functions .*relu#ac7.*relu#badbad.*--baseline"):
        tables_of(tmp_path / "ledger.csv", rows)


def test_the_command_of_a_table_has_what_was_selected(tmp_path):
    evidence = select(read_evidence(write(tmp_path / "l.csv", grid(["relu"], range(2)))), None, ["trainer.epochs=null"])
    assert "--select trainer.epochs=null" in build_tables(evidence)[0].commands[0]


def test_tables_of_other_activations_do_not_name_it(tmp_path):
    rows = [{**each, "response_distance": 0.1} for each in grid(["relu", "mine", "prelu"], range(4), TASKS)]
    for table in tables_of(tmp_path / "ledger.csv", rows).values():
        for text in (to_markdown(table), to_latex(table), to_csv(table)):
            assert "carelu" not in text.lower()


def test_a_subject_is_part_of_the_command_and_must_be_in_the_recipe_that_is_shown(tmp_path):
    rows = [*grid(["relu", "elu"], range(2)), *grid(["relu", "gelu"], range(2), recipe="fast")]
    table = tables_of(tmp_path / "ledger.csv", rows, recipe="fast", subject=("gelu",))["cifar100"]
    assert table.commands[0].endswith("--recipe fast --subject gelu")
    with pytest.raises(BadInput, match="--subject 'elu'"):
        tables_of(tmp_path / "ledger.csv", rows, recipe="fast", subject=("elu",))
