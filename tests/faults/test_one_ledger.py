"""Many processes write into one ledger, and no row is lost."""

import pytest

from experiments.record import ledger
from tests.experiments.ledgers import row
from tests.faults.injections import ended, in_child, record_rows


@pytest.mark.slow
def test_twenty_processes_on_one_ledger_lose_no_row(tmp_path):
    file = tmp_path / "ledger.csv"
    results = [[row(seed=10 * process + number) for number in range(3)] for process in range(20)]
    children = [in_child(record_rows(file, each), tmp_path / "log") for each in results]
    assert [ended(child, seconds=120) for child in children] == [0] * 20, (tmp_path / "log").read_text()
    rows, problems = ledger.read(file)
    assert problems == []
    assert sorted(each.seed for each in rows) == sorted(each["seed"] for some in results for each in some)
