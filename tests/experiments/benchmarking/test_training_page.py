"""The page of training."""

from experiments.benchmarking.timed_run import PHASES
from experiments.benchmarking.training_page import page
from tests.experiments.benchmarking.made_up_rows import CONDITIONS, training_rows


def test_the_page_of_training_has_a_table_for_each_benchmark():
    text = page(training_rows(), CONDITIONS)
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads[0] == "## Targets"
    assert len(heads) == 5
    assert all(f" {phase} |" in text for phase in PHASES)
    assert "| standard | suite |" in text


def test_a_page_can_be_written_from_the_first_row_alone():
    assert "## Start-up" in page(training_rows()[:1], CONDITIONS)
