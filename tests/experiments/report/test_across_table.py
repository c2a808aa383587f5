"""The table across tasks: mean ranks, gains, and what is left out; nothing in it is tested."""

import pytest

from experiments.analysis.runs import Setting
from experiments.report.across_table import short_names
from tests.experiments.ledgers import cells, grid, row, tables_of

TASKS = ("cifar100", "superres", "text")


def test_ranks_are_over_every_setting_and_seed_that_all_have(tmp_path):
    rows = grid(["relu", "carelu", "gelu"], range(5), TASKS, {"carelu": 20, "gelu": -20})
    rows = [each for each in rows if not (each["act"] == "gelu" and each["task"] == "text" and each["seed"] > 1)]
    table = tables_of(tmp_path / "ledger.csv", rows)["across_tasks"]
    found = cells(table)
    assert [(act, each["mean_rank"].value) for act, each in found.items()] == [("carelu", 1), ("relu", 2), ("gelu", 3)]
    assert found["relu"]["blocks"].value == 12
    assert not any(cell.bold for each in found.values() for cell in each.values())


def test_the_table_has_no_test(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu"], range(3), TASKS))["across_tasks"]
    keys = {column.key for column in table.columns}
    assert keys == {"activation", "mean_rank", "mean_gain_percent", "blocks"} | {f"gain_percent_{t}" for t in TASKS}


def test_a_diverged_run_ranks_last_and_a_failed_one_takes_its_block_out(tmp_path):
    rows = grid(["relu", "carelu"], range(2), ["cifar100", "text"], {"carelu": 20})
    rows[1] = row("carelu", 0, status="diverged")
    rows[-1] = row("carelu", 1, task="text", status="failed")
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["across_tasks"])
    assert found["relu"]["blocks"].value == 3
    assert found["carelu"]["mean_rank"].value == pytest.approx((2 + 1 + 1) / 3)


def test_gains_are_the_share_of_the_error_that_is_removed(tmp_path):
    rows = [
        row("relu", 0, 60.0),
        row("carelu", 0, 70.0),
        row("relu", 0, 30.0, "superres"),
        row("carelu", 0, 33.0, "superres"),
    ]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["across_tasks"])["carelu"]
    assert found["gain_percent_cifar100"].value == pytest.approx(25.0)  # 10 of 40 points
    assert found["gain_percent_superres"].value == pytest.approx(49.88, abs=0.01)  # 1 − 10^(−0.3)
    assert found["mean_gain_percent"].value == pytest.approx((25.0 + 49.88) / 2, abs=0.01)


def test_gains_are_over_the_seeds_that_both_have(tmp_path):
    rows = [
        row(act, seed, value, task)
        for task in ("cifar100", "text")
        for act, seed, value in (("relu", 0, 60.0), ("relu", 1, 0.0), ("carelu", 0, 70.0), ("carelu", 2, 100.0))
    ]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["across_tasks"])["carelu"]
    assert found["gain_percent_cifar100"].value == found["mean_gain_percent"].value == pytest.approx(25.0)


def test_where_lower_is_better_the_lowest_ranks_first_and_a_diverged_run_last(tmp_path):
    rows = [
        row(act, seed, value, task, headline_metric="loss")
        for task in ("cifar100", "text")
        for act, value in (("relu", 2.0), ("carelu", 1.0), ("gelu", 3.0))
        for seed in range(2)
    ]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["across_tasks"])
    assert [(act, each["mean_rank"].value) for act, each in found.items()] == [("carelu", 1), ("relu", 2), ("gelu", 3)]
    assert found["carelu"]["mean_gain_percent"].value == pytest.approx(50.0)
    rows[2] = row("carelu", 0, task="cifar100", headline_metric="loss", status="diverged")
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["across_tasks"])
    assert found["carelu"]["mean_rank"].value == pytest.approx((3 + 1 + 1 + 1) / 4)


def test_an_activation_that_a_task_lacks_is_left_out_and_named(tmp_path):
    rows = [*grid(["relu", "carelu"], range(2), TASKS), *grid(["mish"], range(2), ["text"])]
    table = tables_of(tmp_path / "ledger.csv", rows)["across_tasks"]
    assert set(cells(table)) == {"relu", "carelu"}
    assert "Mish is left out: it has no run on CIFAR-100, Super-resolution." in table.blocks[0].notes


def test_one_setting_has_no_table_across_tasks(tmp_path):
    assert "across_tasks" not in tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu"], range(2)))


def test_settings_have_the_shortest_names_that_tell_them_apart():
    def setting(task, model, data, device="cpu"):
        return Setting(task, "small", model, data, device, "float32")

    settings = [setting("a", "m", "d"), setting("b", "m", "d"), setting("b", "m", "e"), setting("b", "n", "e")]
    assert list(short_names(settings).values()) == ["a", "b d", "b m e", "b n e"]
    twins = [setting("a", "m", "d"), setting("a", "m", "d", "gpu")]
    assert list(short_names(twins).values()) == ["a small m d cpu float32", "a small m d gpu float32"]


def test_the_notes_say_what_is_averaged_and_that_there_is_no_verdict(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", grid(["relu", "gelu"], range(3), TASKS))["across_tasks"]
    ranks, error, verdict = table.notes
    assert "(9 times)" in ranks and "more seeds counts more" in ranks
    assert "distance to the best possible value" in error and "mean squared error" in error
    assert verdict.startswith("There is no verdict across tasks")
