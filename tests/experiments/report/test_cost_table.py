"""The table of costs: ratios of runs that can be set beside each other, and of no others."""

from tests.experiments.ledgers import cells, row, tables_of


def test_ratios_are_medians_over_pairs_of_one_seed(tmp_path):
    times = {"relu": (200.0, 100.0, 400.0), "carelu": (300.0, 120.0, 2000.0)}
    rows = [row(act, seed, step_milliseconds=ms) for act, many in times.items() for seed, ms in enumerate(many)]
    rows.append(row("carelu", 3, step_milliseconds=1.0))
    table = tables_of(tmp_path / "ledger.csv", rows)["cost"]
    found = cells(table)["carelu"]
    assert (found["pairs"].value, found["time_ratio"].text) == (3, "1.50 (1.20 – 5.00)")
    assert (found["time_ratio_low"].value, found["time_ratio_high"].value) == (1.2, 5.0)
    assert found["further_parameters"].value == 34
    assert "AMD EPYC (2 threads)" in table.blocks[0].caption


def test_without_a_pair_there_is_no_ratio_and_the_table_says_why(tmp_path):
    rows = [row("relu", 0), row("gelu", 1), row("selu", 0, status="diverged")]
    table = tables_of(tmp_path / "ledger.csv", rows)["cost"]
    assert cells(table)["gelu"]["time_ratio"].text == "–"
    (note,) = table.blocks[0].notes
    assert "GELU: no ratios" in note
    assert cells(table)["selu"]["parameters"].text == "–"


def test_memory_is_set_beside_the_baseline_too(tmp_path):
    rows = [row("relu", 0, peak_memory_mib=1000.0), row("carelu", 0, peak_memory_mib=1100.0)]
    assert cells(tables_of(tmp_path / "ledger.csv", rows)["cost"])["carelu"]["memory_ratio"].value == 1.1


def test_time_of_a_step_is_the_median_over_the_finished_runs(tmp_path):
    rows = [row("relu", seed, step_milliseconds=ms) for seed, ms in enumerate((100.0, 200.0, 900.0))]
    rows.append(row("relu", 3, step_milliseconds=5000.0, status="diverged"))
    found = cells(tables_of(tmp_path / "ledger.csv", rows)["cost"])["relu"]
    assert (found["step_milliseconds"].value, found["step_milliseconds"].text) == (200.0, "200")
