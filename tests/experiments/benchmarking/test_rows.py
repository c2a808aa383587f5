"""Rows as CSV and back, and as tables."""

from dataclasses import dataclass

import pytest

from experiments.benchmarking.rows import from_csv, markdown_table, to_csv
from experiments.errors import BadInput


@dataclass(frozen=True)
class Row:
    name: str
    count: int
    value: float
    ratio: float | None = None


def test_rows_come_back_from_csv_as_they_were(tmp_path):
    rows = [Row("a, b", 3, 0.25, 1.5), Row("", 0, 1e-9)]
    (tmp_path / "rows.csv").write_text(to_csv(rows))
    assert from_csv(tmp_path / "rows.csv", Row) == rows


def test_csv_has_a_line_a_row_under_the_names_of_the_fields():
    assert to_csv([Row("a", 1, 1 / 3)]).splitlines() == ["name,count,value,ratio", "a,1,0.333333,"]


@pytest.mark.parametrize("content", [None, "name,count\na,1\n", "name,count,value,ratio\na,one,1,\n"])
def test_another_file_is_refused_by_name(tmp_path, content):
    file = tmp_path / "other.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadInput, match=r"other\.csv is not a table of this benchmark"):
        from_csv(file, Row)


def test_a_table_in_markdown_has_words_on_the_left_and_numbers_on_the_right():
    assert markdown_table(["who", "time"], [["a", "1"]]) == "| who | time |\n| --- | ---: |\n| a | 1 |"
