"""Tables as Markdown and CSV."""

import csv

from experiments.report.rendering import markdown_grid, records_to_csv, to_csv, to_markdown, write_tables
from experiments.report.table import Block, Cell, simple_table
from tests.experiments.ledgers import grid, small_table, tables_of


def test_markdown_has_caption_table_notes_and_commands_in_this_order():
    assert to_markdown(small_table(warnings=("Row 3 is left out.",))) == (
        "# A table\n\nWhat it is.\n\n> Warning: Row 3 is left out.\n\n## First\n\nThe setting.\n\n"
        "| activation | top-1, % |\n| --- | ---: |\n| relu | 40.0 ± 1.0 |\n| carelu_l1 | **42.0** |\n\n"
        "- A note.\n\n## How to read it\n\n- How to read.\n\n"
        "Made by\n\n```bash\nmake it\n```\n\n"
        "from the runs of (at the commits named above; a default may have changed since)\n\n```bash\nrun it\n```\n"
    )


def test_a_bar_in_a_cell_does_not_part_it_in_markdown():
    table = small_table(blocks=(Block("b", "c", ((Cell("a|b", "a|b"), Cell("*", 1.0), Cell("")),)),))
    assert r"| a\|b | \* |" in to_markdown(table)


def test_csv_has_one_header_row_and_every_raw_value():
    assert to_csv(small_table()) == "activation,mean,sd\nrelu,40,0.3333333333\ncarelu_l1,42,\n"


def test_the_csv_of_a_task_has_a_row_for_each_activation_and_setting(tmp_path):
    rows = [*grid(["relu", "carelu"], range(3), ["text"], data="sst2-dev"), *grid(["relu"], range(3), ["text"])]
    text = to_csv(tables_of(tmp_path / "ledger.csv", rows)["text"])
    read = list(csv.DictReader(text.splitlines()))
    assert [(each["data"], each["activation"]) for each in read] == [
        ("sst2-dev", "relu"),
        ("sst2-dev", "carelu"),
        ("text", "relu"),
    ]
    assert all(None not in each and None not in each.values() for each in read)


def test_equal_ledgers_give_equal_bytes(tmp_path):
    tables = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu"], range(3), ["cifar100", "text"]))
    again = tables_of(tmp_path / "ledger.csv", grid(["relu", "carelu", "gelu"], range(3), ["cifar100", "text"]))
    first, second = (write_tables(list(each.values()), tmp_path / name) for each, name in ((tables, "a"), (again, "b")))
    assert [file.name for file in first[:3]] == ["cifar100.md", "cifar100.tex", "cifar100.csv"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_a_simple_table_is_a_page_without_empty_parts():
    table = simple_table("times", "Times", [("way", "way"), ("ms", "step, ms")], [["suite", 1.5], ["a|b", None]])
    grid_of_it = "| way | step, ms |\n| --- | ---: |\n| suite | 1.5 |"
    assert to_markdown(table).startswith(f"# Times\n\n{grid_of_it}")
    assert to_csv(table) == "way,ms\nsuite,1.5\na|b,\n"


def test_rows_alone_can_be_embedded_in_another_page():
    table = simple_table("t", "", [("act", "activation")], [[Cell("relu", "relu", bold=True)]])
    assert markdown_grid(table, table.blocks[0]) == "| activation |\n| --- |\n| **relu** |"


def test_records_are_written_with_the_digits_that_are_asked_for():
    assert records_to_csv(["ms", "n"], [{"n": 2, "ms": 1 / 3}], digits=3) == "ms,n\n0.333,2\n"


def test_text_of_a_ledger_is_no_formula_no_tag_and_no_link():
    texts = ["=HYPERLINK(1)", "<img src=x>", "[a](http://b)", "a\\|b", "two\u2028lines\n# head", "p < 0.05"]
    table = simple_table("name", "Title", [("text", "Text")], [[text] for text in texts])
    assert to_csv(table).split("\n")[1] == "'=HYPERLINK(1)"
    markdown = to_markdown(table)
    for shown in ("&lt;img src=x>", "[a]\\(http://b)", "a\\\\\\|b", "| two lines # head |", "p < 0.05"):
        assert shown in markdown
