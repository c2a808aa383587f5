"""A tuned key: families of recipes, the choice on the held-out part, and equal budgets."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.tuning import tune
from experiments.errors import BadInput
from tests.experiments.ledgers import cells, row, tables_of, write

KEY = "optim.optimizer.lr"

VALIDATED = {"relu": {"0.1": 50.0, "0.2": 52.0, "0.4": 51.0}, "carelu": {"0.1": 55.0, "0.2": 53.0, "0.4": 52.0}}
"""Activation → value → mean on the held-out part."""


def grid_of(validated=VALIDATED, seeds=range(3), tested=None, **fields):
    """Rows whose test value is 10 below the held-out one, unless told."""
    return [
        row(
            act,
            seed,
            (tested or {}).get((act, value), mean - 10) + 0.1 * seed * (1 + len(act)),
            overrides={KEY: float(value), "trainer.selection": "validation"},
            **{"validation/top1": mean + 0.1 * seed, **fields},
        )
        for act, values in validated.items()
        for value, mean in values.items()
        for seed in seeds
    ]


def test_values_tried_on_unlike_processors_are_of_one_tuning(tmp_path):
    rows = grid_of()
    for each in rows:
        each["device"] = "Intel Xeon" if each["overrides"][KEY] == 0.4 else "AMD EPYC"
    tuning = tune(read_evidence(write(tmp_path / "ledger.csv", rows)), KEY)
    ((setting, acts),) = tuning.trials.items()
    assert setting.device == "AMD EPYC and Intel Xeon"
    assert [list(trials) for trials in acts.values()] == [["0.1", "0.2", "0.4"]] * 2


def test_settings_that_differ_in_more_than_the_key_are_tuned_apart(tmp_path):
    rows = grid_of()
    longer = [{**each, "overrides": {**each["overrides"], "trainer.epochs": 9}} for each in grid_of()]
    for each in longer:
        each["run_id"] += "-longer"
    tuning = tune(read_evidence(write(tmp_path / "ledger.csv", [*rows, *longer])), KEY)
    assert [setting.changes for setting in tuning.trials] == [
        {"trainer.epochs": 9, "trainer.selection": "validation"},
        {"trainer.selection": "validation"},
    ]
    assert tuning.evidence.settings() == list(tuning.trials)
    assert tuning.key == KEY and list(next(iter(tuning.trials.values()))["relu"]) == ["0.1", "0.2", "0.4"]
    assert len(tuning.evidence.runs) == 2 * 2 * 3


def test_the_held_out_part_chooses_and_the_test_set_reports(tmp_path):
    tested = {("relu", "0.4"): 99.0, ("carelu", "0.1"): 45.0}  # the best on test is not what is chosen
    tables = tables_of(tmp_path / "ledger.csv", grid_of(tested=tested), tuned=KEY)
    found = cells(tables["cifar100_tuned"])
    assert {act: each["tuned_value"].value for act, each in found.items()} == {"relu": "0.2", "carelu": "0.1"}
    assert found["relu"]["mean"].value == pytest.approx(42.5)
    assert found["carelu"]["pairs"].value == 3
    assert (found["carelu"]["recipe"].value, found["carelu"]["overrides"].value) == (
        "small",
        '{"trainer.selection": "validation"}',
    )
    assert tables["cifar100_tuned"].blocks[0].notes[1:] == (
        f"carelu: {KEY} = 0.1 is the smallest value tried; a value beyond it might be better.",
    )


def test_where_lower_is_better_the_lowest_is_chosen(tmp_path):
    rows = grid_of(headline_metric="loss")
    for each in rows:
        each["validation/loss"] = each.pop("validation/top1")
    found = cells(tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"])
    assert {act: each["tuned_value"].value for act, each in found.items()} == {"relu": "0.1", "carelu": "0.4"}


def test_a_value_with_a_diverged_run_comes_after_those_without(tmp_path):
    rows = grid_of()
    rows[3] = {**rows[3], "status": "diverged", "headline_value": None, "top1": None}
    found = cells(tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"])
    assert found["relu"]["tuned_value"].value == "0.4"


def chosen_for_relu(tmp_path, validated, **fields):
    """The value chosen for relu of trials with these held-out values by seed."""
    rows = grid_of({act: dict.fromkeys(validated, 50.0) for act in ("relu", "carelu")}, **fields)
    headline = fields.get("headline_metric", "top1")
    for each in rows:
        value = f"{each['overrides'][KEY]:g}"
        each.pop("validation/top1")
        each[f"validation/{headline}"] = validated[value][each["seed"]]
    return cells(tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"])["relu"]["tuned_value"].value


@pytest.mark.parametrize("turned", [1, -1])
def test_a_value_is_judged_by_the_mean_over_its_seeds(tmp_path, turned):
    # Best: 0.1 by the mean (50), 0.2 by the best seed, 0.4 by the worst, 0.8 by the middle one and by the first.
    validated = {
        "0.1": (49.0, 46.0, 55.0),
        "0.2": (40.0, 45.0, 59.0),
        "0.4": (48.0, 47.0, 47.5),
        "0.8": (52.0, 30.0, 50.0),
    }
    assert chosen_for_relu(tmp_path, {value: many[::turned] for value, many in validated.items()}) == "0.1"


def test_a_loss_is_judged_by_its_mean_too(tmp_path):
    validated = {"0.1": (1.0, 1.1, 1.2), "0.2": (0.5, 1.6, 1.7)}
    assert chosen_for_relu(tmp_path, validated, headline_metric="loss") == "0.1"


def test_of_values_that_do_equally_well_the_first_is_chosen(tmp_path):
    assert chosen_for_relu(tmp_path, {"0.1": (50.0, 51.0, 52.0), "0.2": (52.0, 51.0, 50.0)}) == "0.1"


def test_a_value_with_a_failed_run_comes_after_those_without(tmp_path):
    rows = grid_of()
    rows[3] = {**rows[3], "status": "failed", "headline_value": None, "top1": None}
    found = cells(tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"])
    assert found["relu"]["tuned_value"].value == "0.4"


def test_values_are_numbers_in_order_and_both_ends_are_reported(tmp_path):
    validated = {act: {"0.5": 50.0, "2": 51.0, "10": 52.0} for act in ("relu", "carelu")}
    tables = tables_of(tmp_path / "ledger.csv", grid_of(validated), tuned=KEY)
    assert tables["cifar100_tuned"].blocks[0].notes[1:] == tuple(
        f"{act}: {KEY} = 10.0 is the largest value tried; a value beyond it might be better."
        for act in ("relu", "carelu")
    )


def test_the_value_of_a_recipe_that_does_not_override_the_key_is_read_from_the_published_configuration(tmp_path):
    rows = grid_of()
    (tmp_path / "configs").mkdir()
    for each in rows:
        if each["overrides"][KEY] == 0.2:
            del each["overrides"][KEY]
            text = "optim:\n  optimizer:\n    lr: 0.2\n"
            (tmp_path / "configs" / f"{each['run_id']}.yaml").write_text(text)
    table = tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"]
    assert cells(table)["relu"]["tuned_value"].value == "0.2"
    for text in ("optim:\n  optimizer:\n    lr: null\n", "seed: 1\n"):
        for file in (tmp_path / "configs").iterdir():
            file.write_text(text)
        table = tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"]
        assert cells(table)["relu"]["tuned_value"].value == "recipe's own"
    for file in (tmp_path / "configs").iterdir():
        file.unlink()
    table = tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)["cifar100_tuned"]
    assert cells(table)["relu"]["tuned_value"].value == "recipe's own"


@pytest.mark.parametrize(
    ("without", "counts"),
    [
        (
            lambda each: each["act"] == "carelu" and each["overrides"][KEY] == 0.4,
            "carelu: 0.1 × 3 seeds, 0.2 × 3 seeds",
        ),
        (lambda each: each["act"] == "relu" and each["seed"] == 2, "relu: 0.1 × 2 seeds, 0.2 × 2 seeds, 0.4 × 2"),
        (lambda each: each["overrides"][KEY] == 0.4 and each["seed"] == 2, "0.2 × 3 seeds, 0.4 × 2 seeds"),
    ],
)
def test_unequal_budgets_are_refused_with_the_counts(tmp_path, without, counts):
    rows = [each for each in grid_of() if not without(each)]
    with pytest.raises(BadInput, match=f"unequal budgets for {KEY} .*{counts}"):
        tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)


def test_a_choice_is_never_made_on_test(tmp_path):
    rows = grid_of()
    rows[0]["validation/top1"] = None
    with pytest.raises(BadInput, match="has no validation/top1, and a value is never chosen on test"):
        tables_of(tmp_path / "ledger.csv", rows, tuned=KEY)


def test_a_key_in_which_no_runs_differ_is_answered_with_those_there(tmp_path):
    answer = r"unknown key to tune .*'optim.optimizer.lrr'; did you mean optim.optimizer.lr.*keys that runs override: "
    with pytest.raises(BadInput, match=answer + "optim.optimizer.lr, trainer.selection"):
        tables_of(tmp_path / "ledger.csv", grid_of(), tuned="optim.optimizer.lrr")
