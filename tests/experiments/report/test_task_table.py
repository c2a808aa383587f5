"""The table of a task: what it says of each activation, what it marks, and what it tells below."""

import pytest

from experiments.analysis.paper import PaperResult
from experiments.analysis.statistics import compare_paired, holm, summarise
from experiments.report import task_table
from tests.experiments.ledgers import cells, grid, row, tables_of

VALUES = {
    "relu": (40.0, 40.5, 39.5),
    "carelu": (42.1, 42.4, 41.6),
    "gelu": (38.0, 38.6, 37.5),
    "elu": (40.2, 40.1, 39.9),
}


def rows_of(values, **fields):
    return [row(act, seed, value, **fields) for act, many in values.items() for seed, value in enumerate(many)]


@pytest.fixture
def table(tmp_path):
    return tables_of(tmp_path / "ledger.csv", rows_of(VALUES))["cifar100"]


def test_a_cell_holds_what_the_statistics_say(table):
    by_seed = {act: dict(enumerate(many)) for act, many in VALUES.items()}
    summary = summarise(VALUES["carelu"])
    paired = compare_paired(by_seed["carelu"], by_seed["relu"], comparisons=3)
    found = cells(table)["carelu"]
    assert found["mean"].value == summary.mean
    assert found["mean"].text == "42.03 ± 0.40"
    assert (found["mean_low"].value, found["mean_high"].value) == (summary.low, summary.high)
    assert found["difference"].value == paired.difference
    assert found["difference"].text == f"+2.03 [+{paired.low:.2f}, +{paired.high:.2f}]"
    assert found["p_permutation"].value == paired.permutation_p_value == 0.25
    assert found["effect_size"].value == paired.effect_size
    assert found["probability_of_improvement"].value == 1.0
    assert found["detectable"].value == paired.detectable


def test_p_values_are_corrected_over_the_activations_of_the_block(table):
    found = cells(table)
    others = ["carelu", "elu", "gelu"]
    assert [found[act]["p_holm"].value for act in others] == holm([found[act]["p_value"].value for act in others])


def test_only_an_activation_that_is_better_beyond_chance_is_bold(table):
    found = cells(table)
    assert {act: each["stands"].value for act, each in found.items()} == {
        "relu": "no",
        "carelu": "better",
        "elu": "no",
        "gelu": "worse",
    }
    assert [act for act, each in found.items() if each["mean"].stands or each["difference"].stands] == ["carelu"]
    assert found["gelu"]["p_holm"].text.endswith(" worse")


def test_where_lower_is_better_a_lower_value_is_the_gain(tmp_path):
    values = {act: [each / 20 for each in many] for act, many in VALUES.items()}
    table = tables_of(tmp_path / "ledger.csv", rows_of(values, headline_metric="loss"))["cifar100"]
    assert cells(table)["gelu"]["stands"].value == "better"
    assert cells(table)["carelu"]["stands"].value == "worse"
    assert "lower is better" in table.caption


def test_with_one_seed_nothing_is_claimed_and_the_table_says_so(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", rows_of({"relu": [40.0], "carelu": [45.0]}))["cifar100"]
    found = cells(table)["carelu"]
    assert (found["mean"].text, found["difference"].text, found["p_holm"].text) == ("45.00", "+5.00", "–")
    assert not found["mean"].stands
    assert table.blocks[0].notes == ("n = 1: no interval, no claim.",)


def test_unequal_seeds_are_paired_as_far_as_they_go_and_the_pairs_are_stated(tmp_path):
    rows = rows_of({"relu": VALUES["relu"], "carelu": (*VALUES["carelu"], 42.0, 43.0)})
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    assert cells(table)["carelu"]["pairs"].value == 3
    assert cells(table)["carelu"]["n"].value == 5
    assert "carelu: 3 pairs of 5 (carelu) and 3 (relu) seeds." in table.blocks[0].notes


def test_runs_that_did_not_finish_are_counted_and_nothing_stands_on_the_survivors_of_a_divergence(tmp_path):
    more = {act: (*many, many[0] + 0.1) for act, many in VALUES.items() if act != "elu"}
    rows = rows_of(more)
    assert cells(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])["carelu"]["mean"].stands
    rows[7] = row("carelu", 3, status="diverged")
    rows[11] = row("gelu", 3, status="failed")
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    found = cells(table)
    assert found["carelu"]["n"].text == "3 of 4 (1 diverged)"
    assert found["gelu"]["n"].text == "3 of 4 (1 failed)"
    assert (found["carelu"]["finished"].value, found["carelu"]["diverged"].value) == (3, 1)
    assert found["carelu"]["p_holm"].value < 0.05
    assert not found["carelu"]["mean"].stands
    assert found["gelu"]["stands"].value == "worse"
    assert any(note.startswith("carelu: 1 of 4 runs diverged (seed 3); ") for note in table.blocks[0].notes)
    assert "gelu: 1 of 4 runs failed (seed 3)." in table.blocks[0].notes


def test_an_activation_that_never_finished_still_has_its_row(tmp_path):
    rows = [*rows_of({"relu": VALUES["relu"]}), row("selu", 0, status="diverged")]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    found = cells(table)["selu"]
    assert (found["n"].text, found["mean"].text, found["mean"].value) == ("0 of 1 (1 diverged)", "–", None)


def test_each_setting_is_a_block_of_its_own(tmp_path):
    rows = [
        *grid(["relu", "carelu"], range(3), ["text"], data="sst2-dev"),
        *grid(["relu"], range(2), ["text"], data="snli"),
    ]
    table = tables_of(tmp_path / "ledger.csv", rows)["text"]
    snli, sst2 = table.blocks
    assert snli.caption == ("Recipe small, AMD EPYC (2 threads), float32. 2 runs, commit b3d14228b0, PyTorch 2.11.0.")
    assert [snli.title, sst2.title] == ["Accuracy: bert on snli", "Accuracy: bert on sst2-dev"]
    assert list(cells(table, 0)) == ["relu"]
    assert list(cells(table, 1)) == ["relu", "carelu"]


def test_a_setting_without_the_baseline_is_shown_and_not_compared(tmp_path):
    rows = [*rows_of(VALUES), *rows_of({"carelu": VALUES["carelu"]}, data="cifar100-sample")]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    lonely = table.blocks[1]
    assert cells(table, 1)["carelu"]["difference"].text == "–"
    assert lonely.notes == ("No run of relu here, so nothing is compared; --baseline takes one of: carelu.",)


def test_named_test_sets_are_blocks_and_a_held_out_part_is_not(tmp_path):
    sets = {"set5/psnr_y": 36.0, "validation/psnr_y": 30.0, "bicubic_psnr_y": 29.5, "set5/bicubic_psnr_y": 33.7}
    table = tables_of(tmp_path / "ledger.csv", rows_of({"relu": [31.0], "carelu": [31.1]}, task="superres", **sets))[
        "superres"
    ]
    assert [block.title for block in table.blocks] == [
        "PSNR (luma): edsr-4x32 on superres",
        "PSNR (luma) on set5: edsr-4x32 on superres",
    ]
    assert table.blocks[0].notes[0] == "Bicubic interpolation of the same images: 29.500 dB."
    assert table.blocks[1].notes[0] == "Bicubic interpolation of the same images: 33.700 dB."


def test_a_finished_run_without_the_metric_is_told(tmp_path):
    rows = rows_of(VALUES, top5=70.0)
    rows[4]["top5"] = None
    table = tables_of(tmp_path / "ledger.csv", rows, metric="top5")["cifar100"]
    assert cells(table)["carelu"]["n"].text == "2 of 3"
    assert "carelu: 1 finished run without top5." in table.blocks[0].notes


def test_the_number_of_the_paper_stands_in_its_own_column_once_it_is_known(tmp_path, table, monkeypatch):
    assert {each["paper"].text for each in cells(table).values()} == {"–"}
    assert any("no number of the paper" in note for note in table.notes)
    known = {("cifar100", "top1", "carelu"): PaperResult(78.5, "table 2")}
    monkeypatch.setattr(task_table, "PAPER_RESULTS", known)
    found = cells(tables_of(tmp_path / "ledger.csv", rows_of(VALUES))["cifar100"])
    assert (found["carelu"]["paper"].text, found["carelu"]["paper_source"].value) == ("78.50", "table 2")
    assert found["relu"]["paper"].text == "–"
