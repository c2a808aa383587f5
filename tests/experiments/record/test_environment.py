"""What a record keeps of the code that made a result."""

import pytest

from experiments.record import environment


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("carelu/functional.py", True),
        ("experiments/training/engine.py", True),
        ("experiments/tasks/text/task.py", True),
        ("experiments/record/ledger.py", False),
        ("experiments/analysis/statistics.py", False),
        ("experiments/report/tables.py", False),
        ("experiments/benchmarking/operations.py", False),
        ("experiments/configuration/help.py", False),
    ],
)
def test_an_interrupted_run_may_go_on_after_a_change_that_no_result_depends_on(tmp_path, monkeypatch, name, matters):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("before")
    before = environment.code_hash()
    file.write_text("after")
    assert (environment.code_hash() != before) == matters
