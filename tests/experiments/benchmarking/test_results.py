"""Rows as CSV and back, and the files beside them."""

from dataclasses import dataclass

import pytest

from experiments.benchmarking.machine import Conditions
from experiments.benchmarking.results import from_csv, markdown_table, render_page, to_csv, write_results
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


CONDITIONS = Conditions("python x.py", on_gpu=False, cache_bytes=2**20, others_share=None)


def page(rows, conditions):
    return f"{rows} {conditions}\n"


def test_a_page_is_a_function_of_the_files_beside_it(tmp_path):
    table = tmp_path / "device.csv"
    csv, conditions, text = write_results(table, [Row("a", 1, 1 / 3)], CONDITIONS, page)
    assert [file.name for file in (csv, conditions, text)] == ["device.csv", "device.json", "device.md"]
    before = text.read_text()
    text.unlink()
    assert render_page(table, Row, page) == [text]
    assert text.read_text() == before


@pytest.mark.parametrize("content", [None, "{}", "[1]", "no JSON"])
def test_a_page_without_its_conditions_is_refused_by_name(tmp_path, content):
    table = tmp_path / "device.csv"
    table.write_text(to_csv([Row("a", 1, 0.5)]))
    if content is not None:
        table.with_suffix(".json").write_text(content)
    with pytest.raises(BadInput, match=r"device\.json does not hold the conditions"):
        render_page(table, Row, page)
    assert not table.with_suffix(".md").exists()


def test_a_table_in_markdown_has_words_on_the_left_and_numbers_on_the_right():
    assert markdown_table(["who", "time"], [["a", "1"]]) == "| who | time |\n| --- | ---: |\n| a | 1 |"
