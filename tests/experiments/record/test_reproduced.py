"""The list of repeated runs beside a ledger: one line a run, and damage is said."""

from dataclasses import replace

import pytest

from experiments.errors import BadInput
from experiments.record.reproduced import FILE, Reproduced, add, read

FIRST = Reproduced("b-s0", "2026-01-31T12:00:00Z", True, "", 9, "torch", "c0de", False, "2026-02-01")


def test_the_newest_repetition_of_each_run_is_kept(tmp_path):
    ledger = tmp_path / "ledger.csv"
    assert read(ledger) == []
    other = replace(FIRST, run_id="a-s1", equal=False, differs_in="loss top1")
    newer = replace(FIRST, equal=False, differs_in="loss", repeated_at="2026-02-02")
    for each in (FIRST, other, newer):
        assert add(ledger, each) == tmp_path / FILE
    assert read(ledger) == [other, newer]


@pytest.mark.parametrize("content", ["run_id\nx\n", "equal,compared\nTrue,9\n", "\0", '"'])
def test_damage_is_said_and_nothing_is_written(tmp_path, content):
    ledger = tmp_path / "ledger.csv"
    add(ledger, FIRST)
    (tmp_path / FILE).write_text(content)
    for use in (lambda: read(ledger), lambda: add(ledger, FIRST)):
        with pytest.raises(BadInput, match=r"reproduced\.csv is not a list of repeated runs .*--record"):
            use()
    assert (tmp_path / FILE).read_text() == content


def test_values_that_are_none_of_theirs_are_damage(tmp_path):
    ledger = tmp_path / "ledger.csv"
    text = add(ledger, FIRST).read_text()
    for before, after in (("True", "yes"), (",9,", ",nine,"), ("False", "0"), (",torch", "")):
        (tmp_path / FILE).write_text(text.replace(before, after))
        with pytest.raises(BadInput):
            read(ledger)
