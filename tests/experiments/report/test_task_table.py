"""The table of a task: what it says of each activation, what it marks, and what it tells below."""

import math
from dataclasses import replace

import pytest

from experiments.analysis import metrics
from experiments.analysis.numbers import p_text
from experiments.analysis.statistics import compare_paired, holm, summarise
from experiments.analysis.verdict import judge, posterior
from experiments.configuration.task_spec import spec_of
from experiments.record.reproduced import Reproduced, add
from experiments.report.latex import to_latex
from experiments.report.rendering import to_markdown
from experiments.report.table import RESULT, STATISTICS
from tests.experiments.ledgers import cells, grid, row, tables_of

VALUES = {
    "relu": (40.0, 40.5, 39.5),
    "carelu": (42.1, 42.4, 41.6),
    "gelu": (38.0, 38.6, 37.5),
    "elu": (40.2, 40.1, 39.9),
}


LONG = {
    "relu": (40.0, 40.5, 39.5, 40.2, 40.1, 39.8),
    "carelu": (42.1, 42.4, 41.6, 42.2, 42.2, 41.7),
    "gelu": (38.0, 38.6, 37.5, 38.1, 38.3, 37.7),
    "elu": (40.2, 40.1, 39.9, 40.0, 40.9, 39.1),
}
"""Six seeds each, which is enough for a verdict."""


def rows_of(values, **fields):
    return [row(act, seed, value, **fields) for act, many in values.items() for seed, value in enumerate(many)]


@pytest.fixture
def long_table(tmp_path):
    return tables_of(tmp_path / "long.csv", rows_of(LONG))["cifar100"]


def verdict_of(act, values=LONG, comparisons=3, **options):
    differences = [treated - base for treated, base in zip(values[act], values["relu"], strict=True)]
    return judge(differences, 0.5, comparisons=comparisons, **options)


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
    assert found["difference"].text == "+2.03"
    assert found["difference_interval"].text == f"[+{paired.low:.2f}, +{paired.high:.2f}]"
    assert (found["difference_low"].value, found["difference_high"].value) == (paired.low, paired.high)
    assert found["effect_size"].value == paired.effect_size
    assert found["probability_of_improvement"].value == 1.0
    assert found["detectable"].value == paired.detectable


def test_p_values_are_corrected_over_the_activations_of_the_block(table):
    found = cells(table)
    others = ["carelu", "elu", "gelu"]
    assert [found[act]["p_holm"].value for act in others] == holm([found[act]["p_value"].value for act in others])


def test_a_verdict_and_its_interval_are_those_of_the_paired_differences(long_table):
    found = cells(long_table)
    for act in ("carelu", "elu", "gelu"):
        verdict, each = verdict_of(act), found[act]
        assert (each["verdict"].value, each["margin"].value) == (verdict.word, 0.5)
        assert each["verdict_low"].value == pytest.approx(verdict.low)
        assert each["verdict_high"].value == pytest.approx(verdict.high)
        assert each["seeds_needed"].value == verdict.seeds_needed
        assert each["difference"].text.endswith(
            f"[{verdict.low:+.2f}, {verdict.high:+.2f}]".replace("-", "\N{MINUS SIGN}")
        )


def test_only_an_activation_that_is_better_is_bold(long_table):
    found = cells(long_table)
    assert {act: each["verdict"].value for act, each in found.items()} == {
        "relu": None,
        "carelu": "better",
        "elu": "undecided",
        "gelu": "worse",
    }
    assert {act for act, each in found.items() for cell in each.values() if cell.bold} == {"carelu"}
    assert all(found["carelu"][key].bold for key in ("mean", "difference", "verdict"))
    needed = verdict_of("elu").seeds_needed
    assert [each["verdict"].text for each in found.values()] == [
        "–",
        "better",
        f"undecided: about {needed:,} seeds would decide",
        "worse",
    ]


def test_too_few_pairs_are_undecided_without_an_interval(table):
    found = cells(table)["carelu"]
    assert found["verdict"].text == "undecided: at least 5 pairs needed"
    assert (found["verdict_low"].value, found["verdict_high"].value) == (None, None)
    assert not any(cell.bold for cell in found.values())


def test_a_difference_below_the_margin_is_marked(tmp_path):
    values = {"relu": LONG["relu"], "carelu": [value + 0.2 + 0.01 * (-1) ** n for n, value in enumerate(LONG["relu"])]}
    found = cells(tables_of(tmp_path / "ledger.csv", rows_of(values))["cifar100"])["carelu"]
    assert (found["verdict"].text, found["negligible"].value) == ("better, by less than the margin", True)


def test_the_statistics_hold_the_posterior_probabilities(long_table):
    found = cells(long_table)["elu"]
    differences = [treated - base for treated, base in zip(LONG["elu"], LONG["relu"], strict=True)]
    expected = posterior(differences, 0.5)
    for key, value in (("p_above", expected.above), ("p_within", expected.within), ("p_below", expected.below)):
        assert (found[key].value, found[key].text) == (pytest.approx(value), f"{value:.2f}")
    heads = [long_table.columns[place].title for place in long_table.places(STATISTICS)]
    assert heads[-3:] == ["P(> δ)", "P(|·| ≤ δ)", "P(< \N{MINUS SIGN}δ)"]


def test_p_values_and_the_t_interval_are_statistics_and_no_result(long_table):
    results = [long_table.columns[place].key for place in long_table.places(RESULT)]
    statistics = [long_table.columns[place].key for place in long_table.places(STATISTICS)]
    companions = {"difference_interval", "p_value", "p_holm"}
    assert companions <= set(statistics) and not companions & set(results)


def test_the_notes_name_the_margin_and_what_detectable_supposes(long_table):
    notes = " ".join(long_table.notes)
    assert "the margin of 0.5 points" in notes
    assert "if the true standard deviation equals the observed one" in notes


def test_a_metric_without_a_margin_has_no_verdict_and_no_note_on_one(tmp_path):
    rows = [{**each, "top5": each["headline_value"] + 20} for each in rows_of(LONG)]
    table = tables_of(tmp_path / "ledger.csv", rows, metric="top5")["cifar100"]
    found = cells(table)["carelu"]
    assert (found["verdict"].text, found["verdict"].value, found["p_within"].value) == ("no verdict", None, None)
    assert not any("δ" in note for note in table.notes)


def test_activations_are_printed_by_their_proper_name_and_keep_their_key(table):
    assert [(each["activation"].text, act) for act, each in cells(table).items()] == [
        ("ReLU", "relu"),
        ("CAReLU", "carelu"),
        ("ELU", "elu"),
        ("GELU", "gelu"),
    ]


def test_the_caption_says_what_bold_means(table):
    assert "Bold: better than ReLU." in table.caption


@pytest.fixture
def judged_by_loss(monkeypatch):
    cifar = spec_of("cifar100")
    monkeypatch.setattr(metrics, "spec_of", lambda task: replace(cifar, headline="loss"))


def test_where_lower_is_better_a_lower_value_is_the_gain(tmp_path, judged_by_loss):
    table = tables_of(tmp_path / "ledger.csv", rows_of(LONG, headline_metric="loss"))["cifar100"]
    assert cells(table)["gelu"]["verdict"].value == "better"
    assert cells(table)["carelu"]["verdict"].value == "worse"
    assert "lower is better" in table.caption


T_975 = {2: 4.302652730}
"""The 97.5 % quantile of Student's t by degrees of freedom, from a printed table."""


def by_hand(values):
    """Mean, standard deviation and the margin of the 95 % t interval of three values."""
    mean = sum(values) / 3
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / 2)
    return mean, sd, T_975[2] * sd / math.sqrt(3)


def test_the_mean_its_deviation_and_its_interval_are_those_computed_by_hand(table):
    mean, sd, margin = by_hand(VALUES["gelu"])
    found = cells(table)["gelu"]
    assert (found["mean"].value, found["sd"].value) == (pytest.approx(mean), pytest.approx(sd))
    assert (found["mean_low"].value, found["mean_high"].value) == (
        pytest.approx(mean - margin),
        pytest.approx(mean + margin),
    )
    assert found["mean"].text == f"{mean:.2f} ± {sd:.2f}"
    assert found["mean_interval"].text == f"[{mean - margin:.2f}, {mean + margin:.2f}]"


@pytest.mark.parametrize("act", ["carelu", "gelu", "elu"])
def test_the_t_interval_of_a_difference_is_the_paired_t_interval_computed_by_hand(table, act):
    mean, _, margin = by_hand([a - b for a, b in zip(VALUES[act], VALUES["relu"], strict=True)])
    found = cells(table)[act]
    assert (found["difference_low"].value, found["difference_high"].value) == (
        pytest.approx(mean - margin),
        pytest.approx(mean + margin),
    )
    printed = f"[{mean - margin:+.2f}, {mean + margin:+.2f}]"
    assert found["difference_interval"].text == printed.replace("-", "\N{MINUS SIGN}")


def test_p_values_and_sizes_are_printed_from_their_own_columns(table):
    found = cells(table)
    for act in ("carelu", "gelu", "elu"):
        each = found[act]
        paired = compare_paired(*(dict(enumerate(VALUES[name])) for name in (act, "relu")), comparisons=3)
        assert each["p_value"].value == paired.p_value
        assert each["p_value"].text == p_text(paired.p_value)
        assert each["p_holm"].text.removesuffix(" worse") == p_text(each["p_holm"].value)
        assert each["detectable"].text == f"{paired.detectable:.2f}"
        assert each["effect_size"].text == f"{paired.effect_size:+.2f}".replace("-", "\N{MINUS SIGN}")
    assert found["carelu"]["p_value"].text != found["carelu"]["p_holm"].text
    assert found["gelu"]["effect_size"].value < 0


def test_seeds_are_counted_by_their_values_and_listed_by_their_numbers(tmp_path):
    rows = [row("relu", seed, 40.0 + seed / 10) for seed in (3, 5, 8)]
    rows += [row("carelu", seed, 41.0 + seed / 9) for seed in (3, 5)] + [row("carelu", 8, status="diverged")]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])["carelu"]
    assert (found["n"].value, found["pairs"].value, found["seeds"].value) == (2, 2, "3 5 8")


def test_a_mean_is_over_all_seeds_and_a_difference_over_the_shared_ones(tmp_path):
    rows = [row("relu", 0, 40.0), row("relu", 1, 41.0)]
    rows += [row("carelu", seed, value) for seed, value in ((0, 41.0), (1, 42.5), (2, 60.0))]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])["carelu"]
    assert found["mean"].value == pytest.approx(143.5 / 3)
    assert found["difference"].value == pytest.approx(1.25)


def test_detectable_is_corrected_for_the_comparisons_that_have_two_pairs(tmp_path):
    rows = [*rows_of(VALUES), row("swish", 0, 41.0), row("mish", 7, 41.0)]
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])["carelu"]
    by_seed = {act: dict(enumerate(many)) for act, many in VALUES.items()}
    assert found["detectable"].value == compare_paired(by_seed["carelu"], by_seed["relu"], comparisons=3).detectable


def test_where_lower_is_better_the_difference_keeps_its_sign_and_the_probability_turns(tmp_path, judged_by_loss):
    values = LONG
    found = cells(tables_of(tmp_path / "ledger.csv", rows_of(values, headline_metric="loss"))["cifar100"])
    assert found["gelu"]["difference"].value == pytest.approx(sum(values["gelu"]) / 6 - sum(values["relu"]) / 6)
    assert found["gelu"]["difference_high"].value < 0
    assert found["gelu"]["difference"].bold and not found["carelu"]["difference"].bold
    assert [found[act]["probability_of_improvement"].value for act in ("gelu", "carelu")] == [1.0, 0.0]


def test_with_one_seed_nothing_is_claimed_and_the_table_says_so(tmp_path):
    table = tables_of(tmp_path / "ledger.csv", rows_of({"relu": [40.0], "carelu": [45.0]}))["cifar100"]
    found = cells(table)["carelu"]
    assert (found["mean"].text, found["difference"].text, found["p_holm"].text) == ("45.00", "+5.00", "–")
    assert not found["mean"].bold
    assert table.blocks[0].notes == ("Chance: 1 %.", "One seed: no interval, no test.")


def test_unequal_seeds_are_paired_as_far_as_they_go_and_the_pairs_are_stated(tmp_path):
    rows = rows_of({"relu": VALUES["relu"], "carelu": (*VALUES["carelu"], 42.0, 43.0)})
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    assert cells(table)["carelu"]["pairs"].value == 3
    assert cells(table)["carelu"]["n"].value == 5
    assert "CAReLU: 3 pairs from 5 seeds of it and 3 of ReLU." in table.blocks[0].notes


def test_activations_with_as_many_pairs_are_named_in_one_note(tmp_path):
    rows = rows_of(
        {"relu": LONG["relu"][:4], "carelu": LONG["carelu"][:3], "elu": LONG["elu"][:3], "gelu": LONG["gelu"]}
    )
    notes = [note for note in tables_of(tmp_path / "ledger.csv", rows)["cifar100"].blocks[0].notes if "pair" in note]
    assert notes == [
        "CAReLU, ELU: 3 pairs from 3 seeds of each and 4 of ReLU.",
        f"GELU: 4 pairs from {len(LONG['gelu'])} seeds of it and 4 of ReLU.",
    ]


def test_runs_that_did_not_finish_are_counted_and_there_is_no_verdict_on_the_survivors_of_a_divergence(tmp_path):
    more = {act: (*many[:5], many[0] + 0.1) for act, many in LONG.items() if act != "elu"}
    rows = rows_of(more)
    assert cells(tables_of(tmp_path / "ledger.csv", rows)["cifar100"])["carelu"]["mean"].bold
    rows[11] = row("carelu", 5, status="diverged")
    rows[17] = row("gelu", 5, status="failed")
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    found = cells(table)
    assert found["carelu"]["n"].text == "5 of 6 (1 diverged)"
    assert found["gelu"]["n"].text == "5 of 6 (1 failed)"
    assert (found["carelu"]["finished"].value, found["carelu"]["diverged"].value) == (5, 1)
    assert found["carelu"]["p_holm"].value < 0.05
    assert not found["carelu"]["mean"].bold
    assert (found["carelu"]["verdict"].text, found["gelu"]["verdict"].text) == ("no verdict", "worse")
    assert any(note.startswith("CAReLU: 1 of 6 runs diverged (seed 5); ") for note in table.blocks[0].notes)
    assert "GELU: 1 of 6 runs failed (seed 5)." in table.blocks[0].notes


def test_an_activation_that_never_finished_still_has_its_row(tmp_path):
    rows = [*rows_of({"relu": VALUES["relu"]}), row("selu", 0, status="diverged")]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    found = cells(table)["selu"]
    assert (found["n"].text, found["mean"].text, found["mean"].value) == ("0 of 1 (1 diverged)", "–", None)


def test_each_setting_is_a_separate_block(tmp_path):
    rows = [
        *grid(["relu", "carelu"], range(3), ["text"], data="sst2-dev"),
        *grid(["relu"], range(2), ["text"], data="snli"),
    ]
    table = tables_of(tmp_path / "ledger.csv", rows)["text"]
    snli, sst2 = table.blocks
    assert snli.caption == ("Recipe small, AMD EPYC (2 threads), float32. 2 runs, commit b3d14228b0, PyTorch 2.11.0.")
    assert [snli.title, sst2.title] == ["Accuracy: BERT on SNLI", "Accuracy: BERT on SST-2 (dev)"]
    assert list(cells(table, 0)) == ["relu"]
    assert list(cells(table, 1)) == ["relu", "carelu"]


def test_a_setting_without_the_baseline_is_shown_and_not_compared(tmp_path):
    rows = [*rows_of(VALUES), *rows_of({"carelu": VALUES["carelu"]}, data="cifar100-sample")]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    lonely = table.blocks[1]
    assert cells(table, 1)["carelu"]["difference"].text == "–"
    assert lonely.notes[1:] == ("No run of ReLU here, so nothing is compared; --baseline takes one of: carelu.",)


def test_named_test_sets_are_blocks_and_a_held_out_part_is_not(tmp_path):
    sets = {"set5/psnr_y": 36.0, "validation/psnr_y": 30.0, "bicubic_psnr_y": 29.5, "set5/bicubic_psnr_y": 33.7}
    table = tables_of(tmp_path / "ledger.csv", rows_of({"relu": [31.0], "carelu": [31.1]}, task="superres", **sets))[
        "superres"
    ]
    assert [block.title for block in table.blocks] == [
        "PSNR (luma): EDSR 4x32 on superres",
        "PSNR (luma) on set5: EDSR 4x32 on superres",
    ]
    assert table.blocks[0].notes[0] == "Bicubic interpolation of the same images: 29.500 dB."
    assert table.blocks[1].notes[0] == "Bicubic interpolation of the same images: 33.700 dB."


def test_runs_that_were_made_again_are_named_once_a_setting(tmp_path):
    rows = [
        {**each, "set5/psnr_y": 30.0} for each in grid(["relu", "carelu"], range(2), ["superres"], recipe="small")
    ] + grid(["relu"], range(2), ["superres"], model="espcn")
    file = tmp_path / "ledger.csv"
    for place in (0, -1):
        add(file, Reproduced(rows[place]["run_id"], rows[place]["finished_at"], True, "", 9, "", "c0de", False, "now"))
    table = tables_of(file, rows)["superres"]
    said = [[note for note in block.notes if note.startswith("Made again")] for block in table.blocks]
    assert [len(notes) for notes in said] == [1, 0, 1]
    of_metric = tables_of(file, rows, metric="set5/psnr_y")["superres"]
    assert any(note.startswith("Made again") for note in of_metric.blocks[0].notes)


def test_a_finished_run_without_the_metric_is_reported(tmp_path):
    rows = rows_of(VALUES, top5=70.0)
    rows[4]["top5"] = None
    table = tables_of(tmp_path / "ledger.csv", rows, metric="top5")["cifar100"]
    assert cells(table)["carelu"]["n"].text == "2 of 3"
    assert "CAReLU: 1 finished run without top5." in table.blocks[0].notes


def active(act, count=6, **fields):
    return [{**each, **fields} for each in rows_of({act: LONG[act]})][:count]


def printed(table):
    return [table.columns[place].key for place in table.places(RESULT)]


def test_what_an_activation_did_to_its_inputs_is_printed_and_empty_where_it_is_not_recorded(tmp_path):
    rows = [
        *active("relu"),
        *active("carelu", scale_spread=0.005, flipped=0.0, response_distance=0.31),
        *active("gelu", response_distance=0.18),
        *active("elu"),
    ]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    names = ("scale_spread", "flipped", "response_distance")
    found = {act: [each[name].text for name in names] for act, each in cells(table).items()}
    assert found == {
        "relu": ["–", "–", "–"],
        "carelu": ["0.50", "0", "31"],
        "gelu": ["–", "–", "18"],
        "elu": ["–", "–", "–"],
    }
    assert cells(table)["carelu"]["scale_spread"].value == 0.005
    assert set(names) <= set(printed(table))
    assert sum("scale spread" in note and "distance from ReLU" in note for note in table.notes) == 1


def test_only_what_a_run_recorded_has_a_printed_column_and_a_note(tmp_path):
    rows = [*active("relu"), *active("gelu", response_distance=0.18)]
    table = tables_of(tmp_path / "ledger.csv", rows)["cifar100"]
    assert "response_distance" in printed(table) and not {"scale_spread", "flipped"} & set(printed(table))
    assert "flipped" not in " ".join(table.notes)
    without = tables_of(tmp_path / "without.csv", rows_of(LONG))["cifar100"]
    assert "response_distance" not in printed(without)
    assert not any("inputs" in note for note in without.notes)


def test_the_csv_always_has_the_columns_of_activity(long_table):
    assert {"scale_spread", "flipped", "response_distance"} <= set(next(iter(long_table.records())))


def test_with_subjects_only_a_better_subject_is_bold_and_the_caption_says_so(tmp_path):
    better = {act: [value + 5 * (act != "relu") for value in LONG[act]] for act in LONG}

    def bold(subjects):
        table = tables_of(tmp_path / "ledger.csv", rows_of(better), subject=subjects)["cifar100"]
        return {act for act, each in cells(table).items() for cell in each.values() if cell.bold}, table.caption

    assert bold(())[0] == {"carelu", "elu", "gelu"}
    marked, caption = bold(("elu", "gelu"))
    assert marked == {"elu", "gelu"}
    assert caption.endswith("Bold: of ELU, GELU, what is better than ReLU.")


def test_a_worse_activation_is_bold_in_no_form_also_where_lower_is_better(tmp_path, judged_by_loss):
    table = tables_of(tmp_path / "ledger.csv", rows_of(LONG, headline_metric="loss"))["cifar100"]
    markdown = [line for line in to_markdown(table).splitlines() if "**" in line]
    latex = [line for line in to_latex(table).splitlines() if "bfseries" in line]
    assert len(markdown) == len(latex) == 1
    assert markdown[0].startswith("| GELU |") and "**better**" in markdown[0]
    assert latex[0].split()[0] == "GELU" and "worse" not in latex[0]
    (worse,) = (line for line in to_markdown(table).splitlines() if "| worse |" in line)
    assert worse.startswith("| CAReLU |") and "better" not in worse


def test_the_value_of_guessing_is_a_note_where_it_is_known(long_table, tmp_path):
    assert long_table.blocks[0].notes[0] == "Chance: 1 %."
    of_text = tables_of(tmp_path / "ledger.csv", grid(["relu", "gelu"], range(3), ["text"]))["text"]
    assert of_text.blocks[0].notes == ()
