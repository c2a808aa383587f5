"""The answer at the end of a sweep."""

from experiments.report.terminal import comparison_text, table_text
from tests.experiments.ledgers import grid, row, small_table, write

RELU = {0: 40.0, 1: 41.0, 2: 42.0, 3: 41.0}
CARELU = {0: 43.0, 1: 44.1, 2: 44.9, 3: 44.0}


def rows_of(**values):
    return [row(act, seed, value) for act, by_seed in values.items() for seed, value in by_seed.items()]


def text_of(tmp_path, rows, mine=None):
    ledger = write(tmp_path / "ledger.csv", rows)
    return comparison_text(ledger, {each["run_id"] for each in (rows if mine is None else mine)})


def test_each_activation_has_its_mean_its_difference_and_the_verdict(tmp_path):
    lines = text_of(tmp_path, rows_of(relu=RELU, carelu=CARELU)).split("\n")
    assert "top-1 accuracy, %" in lines[0] and "chance: 1 %" in lines[0]
    assert lines[2] == "difference to ReLU in points, in brackets its 95 % CI at any number of seeds"
    assert max(len(line) for line in lines[3:6]) <= 80
    (relu,) = [line for line in lines if line.startswith("  ReLU")]
    (carelu,) = [line for line in lines if line.startswith("  CAReLU")]
    assert relu.split() == ["ReLU", "4", "41.00", "±", "0.82", "baseline"]
    # Differences 3, 3.1, 2.9, 3: mean 3, sd 0.0816, and the half-width at 4 pairs is 7.7 standard errors.
    assert "+3.00 (+2.69 to +3.31)" in carelu and carelu.endswith("  better")
    assert "CAReLU vs ReLU on CIFAR-100, top-1 accuracy: +3.00 points" in lines[-3]
    assert lines[-1].startswith("all statistics: python scripts/make_tables.py --ledger ")


def test_only_settings_with_a_run_of_the_sweep_are_shown(tmp_path):
    rows = grid(("relu", "carelu"), range(2), ("cifar100", "text"))
    mine = [each for each in rows if each["task"] == "text"]
    text = text_of(tmp_path, rows, mine)
    assert text.startswith("Text classification") and "CIFAR-100" not in text


def test_the_command_names_the_recipe_where_the_ledger_has_others(tmp_path):
    rows = grid(("relu", "gelu"), range(2), ("cifar100", "text"))
    stray = row("gelu", 0, recipe="small(trainer.max_steps=2)")
    assert "--recipe" not in text_of(tmp_path, rows)
    assert text_of(tmp_path, [*rows, stray], mine=rows).endswith(" --recipe small")
    assert text_of(tmp_path, [*rows, *grid(("relu", "gelu"), [0], recipe="fast")]).endswith(" --recipe each")


def test_one_activation_alone_is_no_comparison(tmp_path):
    assert text_of(tmp_path, rows_of(relu=RELU)) == ""


def test_without_relu_the_others_are_compared_with_carelu(tmp_path):
    text = text_of(tmp_path, rows_of(carelu=CARELU, gelu=RELU))
    assert "difference to CAReLU" in text and "GELU vs CAReLU" in text


def test_a_diverged_run_is_named(tmp_path):
    rows = [*rows_of(relu=RELU, carelu=CARELU), row("carelu", 4, status="diverged")]
    text = text_of(tmp_path, rows)
    assert "1 of 5 runs diverged" in text and "no verdict" in text and "better" not in text


def test_too_few_pairs_have_no_interval_and_the_number_that_is_needed(tmp_path):
    rows = [each for each in rows_of(relu=RELU, carelu=CARELU) if each["seed"] < 3]
    (carelu,) = [line for line in text_of(tmp_path, rows).split("\n") if line.startswith("  CAReLU")]
    assert carelu.endswith("  undecided: at least 4 pairs needed") and " to " not in carelu


def test_the_baseline_and_the_margin_of_a_sweep_take_the_place_of_the_usual_ones(tmp_path):
    rows = rows_of(relu=RELU, carelu=CARELU)
    ledger = write(tmp_path / "ledger.csv", rows)
    text = comparison_text(ledger, {each["run_id"] for each in rows}, "carelu", 20.0)
    assert "ReLU vs CAReLU" in text and "worse, by less than the margin of 20 points" in text
    assert "Margin of this sweep: 20 points; the tables use the task's, 0.5 points." in text


def test_the_usual_margin_is_not_remarked(tmp_path):
    rows = rows_of(relu=RELU, carelu=CARELU)
    ledger = write(tmp_path / "ledger.csv", rows)
    assert "Margin of this sweep" not in comparison_text(ledger, {each["run_id"] for each in rows}, None, 0.5)


def test_a_table_is_printed_with_its_cells_below_each_other():
    title, block, setting, heads, relu, carelu, note = table_text(small_table()).split("\n")
    assert (title, block, setting, note) == ("A table", "First", "The setting.", "A note.")
    assert heads == "  activation  top-1, %"
    assert (relu, carelu) == ("  relu        40.0 ± 1.0", "  carelu_l1   42.0")
