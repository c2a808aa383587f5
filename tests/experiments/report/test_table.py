"""A table as data: its views, its raw values, and the shortcut to a simple one."""

import pytest

from experiments.report.table import CSV, RESULT, STATISTICS, Block, Cell, Column, Table, simple_table
from tests.experiments.ledgers import small_table


def test_a_view_has_its_own_columns_and_leaves_out_rows_that_say_nothing_there():
    columns = (Column("act", "act", (RESULT, STATISTICS, CSV)), Column("p", "p", (STATISTICS, CSV)))
    rows = ((Cell("relu", "relu"), Cell("–")), (Cell("gelu", "gelu"), Cell("0.03", 0.03)))
    table = Table("t", "", "", columns, (Block("", "", rows),))
    assert table.places(RESULT) == [0]
    assert [row[0].text for row in table.printed(table.blocks[0], STATISTICS)] == ["gelu"]


def test_records_are_the_raw_values_of_all_blocks():
    block = small_table().blocks[0]
    table = small_table(blocks=(block, block))
    assert len(list(table.records())) == 4
    assert next(table.records()) == {"activation": "relu", "mean": 40.0, "sd": 1 / 3}


def test_a_simple_table_sets_columns_of_numbers_right_and_prints_what_is_absent_as_a_dash():
    columns = [("act", "activation"), ("ms", "step, ms"), Column("only_csv", "", (CSV,))]
    table = simple_table("t", "T", columns, [["relu", 1.5, "x"], ["gelu", None, Cell("y", 2)]], notes=("A note.",))
    assert [column.numeric for column in table.columns] == [False, True, True]
    assert [cell.text for cell in table.printed(table.blocks[0], RESULT)[0]] == ["relu", "1.5"]
    assert table.rows[1][1] == Cell("–", None)
    assert (table.commands, table.notes) == ((), ("A note.",))


@pytest.mark.parametrize("row", [["relu"], ["relu", 1.0, 2.0]])
def test_a_row_of_another_length_is_refused(row):
    with pytest.raises(ValueError, match="2 columns"):
        simple_table("t", "T", [("act", "activation"), ("ms", "ms")], [row])
