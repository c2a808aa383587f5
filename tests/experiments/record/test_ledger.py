"""The ledger: one typed row a run, read with all its damage named, and rebuilt from the runs."""

import csv
import json

import pytest

from experiments.errors import BadInput
from experiments.record import ledger
from experiments.record.row import ADDED, COLUMNS, Row, to_text
from experiments.record.run_directory import RESULT
from tests import forked
from tests.experiments.ledgers import row

AWKWARD = (
    "a,b",
    'say "yes"',
    "two\nlines",
    "carriage\rreturn",
    "both\r\n",
    "\nfirst",
    "next\x85line",
    "line\u2028separator",
    "file\x1cseparator",
    "\ufeffmark",
    " spaces ",
    "=1+1",
    "'",
    "ä😀",
    '"',
    "é" * 5000,
    "\n".join(["x,y"] * 40),
)


def result(run_id="a", **fields):
    return {**row(), "reason": "", "run_id": run_id, **fields}


def typed(run_id="a", **fields):
    return Row.from_result(result(run_id, **fields))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.csv"


@pytest.fixture
def runs(tmp_path):
    """An output root with the results of three runs."""
    for act, seed in (("relu", 0), ("relu", 1), ("carelu", 0)):
        folder = tmp_path / "runs" / act / f"s{seed}"
        folder.mkdir(parents=True)
        (folder / RESULT).write_text(json.dumps(result(f"{act}-s{seed}", act=act, seed=seed)))
    return tmp_path / "runs"


@pytest.mark.parametrize("text", AWKWARD)
def test_every_text_comes_back_as_it_was_written(file, text):
    names = dict.fromkeys(("model", "data", "recipe", "act", "device", "command", "torch"), f"x{text}")
    rows = [
        typed("a", **names, overrides={text: [text, {"deeper": text}], "flag": True, "rate": 1e-05, "none": None}),
        typed("b", command=text),
        typed("c", remark=text),
    ]
    ledger.write(file, rows)
    assert ledger.read(file) == (rows, [])


def test_a_row_knows_its_line_in_the_file(file):
    ledger.write(file, [typed("a", command="two\nlines"), typed("b")])
    assert [each.line for each in ledger.read(file)[0]] == [2, 4]


def test_a_row_is_typed(file):
    ledger.write(file, [typed(seed=3, threads=None, git_dirty=True, overrides={"b": 1, "a": 0.5}, top5=70)])
    ((read,), problems) = ledger.read(file)
    assert problems == []
    assert (read.seed, read.threads, read.git_dirty, read.headline_value) == (3, None, True, 40.0)
    assert read.overrides == {"a": 0.5, "b": 1}
    assert read.metrics == {"top1": 40.0, "top5": 70}
    (written,) = csv.DictReader(file.open(encoding="utf-8", newline=""))
    assert (written["overrides"], written["threads"], written["git_dirty"]) == ('{"a": 0.5, "b": 1}', "", "True")


def test_what_a_row_was_made_from_comes_back_from_it(file):
    made = result(headline_epoch=4, remark="by hand")
    ledger.write(file, [Row.from_result(made)])
    ((read,), _) = ledger.read(file)
    assert read.as_result() == {key: value for key, value in made.items() if key != "reason"}


def test_an_older_ledger_without_the_columns_that_were_added_is_read_and_grows(file):
    older = {column: cell for column, cell in row().items() if column not in ADDED}
    cells = {column: to_text(value) for column, value in older.items()}
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(cells), lineterminator="\n")
        writer.writeheader()
        writer.writerow(cells)
    ((read,), problems) = ledger.read(file)
    assert problems == []
    assert {getattr(read, column) for column in ADDED} == {""}
    ledger.record(file, result(run_id="newer", data_fingerprint="da7a"))
    assert {each.run_id: each.data_fingerprint for each in ledger.read(file)[0]} == {read.run_id: "", "newer": "da7a"}


def test_where_nothing_says_that_the_code_was_committed_it_was_not(file):
    made = result()
    del made["git_dirty"]
    assert Row.from_result(made).git_dirty
    ledger.write(file, [typed()])
    file.write_text(file.read_text().replace(",False,", ",,"))
    assert [each.git_dirty for each in ledger.read(file)[0]] == [True]


def damage(file, line, change):
    """Writes three rows, and changes one line of the file (1 is the header)."""
    ledger.write(file, [typed(run_id, overrides={"a": "b,c"}) for run_id in "xyz"])
    lines = file.read_bytes().split(b"\n")
    lines[line - 1] = change(lines[line - 1])
    file.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda line: line.replace(b"finished", b"finishd"), "'status' is 'finishd'"),
        (lambda line: line.replace(b"40.0", b"4O.0", 1), "'headline_value' is '4O.0'"),
        (lambda line: line.replace(b"40.0", b"4_0.0", 1), "'headline_value' is '4_0.0'"),
        (lambda line: line.replace(b",2,float32", b",-2,float32"), "'threads' is '-2'"),
        (lambda line: line.replace(b"AMD", b"\xff"), "'device' is"),
        (lambda line: line.replace(b"AMD", b"A\0D"), "'device' is"),
        (lambda line: line.replace(b'{""a"": ""b,c""}', b"[" * 100000), "'overrides' is"),
        (lambda line: line.replace(b"AMD", b"A" * 200000), "field larger"),
        (lambda line: line.replace(b"python run", b'"python run'), "not CSV"),
        (lambda line: line.replace(b'""a', b'"a'), "not CSV"),
        (lambda line: line[:20], "it ends before column"),
        (lambda line: line + b",1,2", f"{len(COLUMNS) + 3} cells for {len(COLUMNS) + 1} columns"),
        (lambda line: b"\0" * 4096, "it ends before column 'status'"),
    ],
)
def test_a_damaged_line_is_named_and_changes_no_other(file, change, named):
    damage(file, 3, change)
    rows, problems = ledger.read(file)
    assert [each.run_id for each in rows] == ["x", "z"]
    assert len(problems) == 1
    assert problems[0].startswith("line 3 of ledger.csv is left out: ")
    assert named in problems[0]
    assert len(problems[0]) < 300


def test_damage_is_named_at_its_line_after_a_row_of_several_lines(file):
    ledger.write(file, [typed("a", command="one\ntwo\nthree"), typed("b"), typed("c")])
    file.write_text(file.read_text().replace("b,finished", "b,fin"))
    rows, (problem,) = ledger.read(file)
    assert [each.run_id for each in rows] == ["a", "c"]
    assert problem.startswith("line 5 ")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_what_a_spreadsheet_saves_is_read(file, mark, line_end):
    rows = [typed("a"), typed("b")]
    ledger.write(file, rows)
    file.write_bytes(mark + file.read_bytes().replace(b"\n", line_end))
    assert ledger.read(file) == (rows, [])


def test_what_utf8_cannot_hold_is_written_as_its_escape(file):
    ledger.write(file, [typed(command="run \udc80")])
    assert [each.command for each in ledger.read(file)[0]] == ["run \\udc80"]


def test_a_row_replaces_the_older_row_of_the_same_run(file):
    for value, run_id in ((1.0, "b"), (2.0, "a"), (3.0, "b")):
        ledger.record(file, result(run_id, headline_value=value))
    rows, _ = ledger.read(file)
    assert [(each.run_id, each.headline_value) for each in rows] == [("a", 2.0), ("b", 3.0)]


def test_a_row_replaces_only_the_row_of_the_same_run_with_any_status(file):
    ledger.record(file, result("a", status="failed"))
    ledger.record(file, result("b", status="finished"))
    ledger.record(file, result("a", status="finished"))
    assert [(each.run_id, each.status) for each in ledger.read(file)[0]] == [("a", "finished"), ("b", "finished")]


def test_rows_are_sorted_and_what_is_local_is_no_column(file):
    ledger.write(file, [typed("b", reason="diverged at step 3", notes=["x"]), typed("a")])
    assert [each.run_id for each in ledger.read(file)[0]] == ["a", "b"]
    assert not {"reason", "notes"} & set(file.read_text().split("\n")[0].split(","))


def test_a_ledger_with_a_damaged_line_is_kept_as_it_is(file):
    damage(file, 2, lambda line: line[:30])
    before = file.read_bytes()
    with pytest.raises(BadInput, match=r"line 2 of ledger\.csv"):
        ledger.record(file, result("new"))
    assert file.read_bytes() == before


def test_headline_metrics_come_first_and_those_of_further_sets_last(file):
    ledger.record(file, result("a", **{"set5/psnr_y": 30.0, "loss": 1.0, "headline_epoch": 4}))
    ledger.record(file, result("b", headline_metric="psnr_y", psnr_y=1.0))
    header = file.read_text().split("\n")[0].split(",")
    assert header[len(COLUMNS) :] == ["psnr_y", "top1", "loss", "set5/psnr_y", "headline_epoch"]
    assert [each.metrics.get("set5/psnr_y") for each in ledger.read(file)[0]] == [30.0, None]


def test_a_ledger_is_rebuilt_from_the_run_directories(runs):
    replaced = runs / "relu" / "s0" / "replaced" / "1"
    replaced.mkdir(parents=True)
    (replaced / RESULT).write_text(json.dumps(result("old")))
    damaged = runs / "other"
    damaged.mkdir()
    (damaged / RESULT).write_text('{"run_id": "other"}')
    rows, (problem,) = ledger.rebuild(runs)
    assert "'status' is missing" in problem and str(damaged) in problem
    assert [each.run_id for each in rows] == ["carelu-s0", "relu-s0", "relu-s1"]
    assert ledger.read(runs / "ledger.csv")[0] == rows


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe\x00", b"", b"\n"])
def test_a_file_that_is_no_ledger_is_named(file, content):
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"is not a ledger.*rebuild_ledger"):
        ledger.read(file)


def test_a_folder_in_its_place_is_named(file):
    file.mkdir()
    with pytest.raises(BadInput, match=f"{file} cannot be read"):
        ledger.read(file)


def test_where_there_is_no_ledger_there_are_no_rows(file):
    assert ledger.read(file) == ([], [])


@pytest.mark.slow
def test_the_script_lists_what_it_rebuilt(runs):
    done = forked.run(["scripts/rebuild_ledger.py", "--output-root", runs])
    assert done.returncode == 0, done.stderr
    assert "3 runs" in done.stdout
    assert "relu-s1" in done.stdout


LINE_BREAKS_OF_UNICODE = "a\u2028b\u2029c\x85d\x1ce\x1df\x1eg\x0bh\x0ci"


def test_line_breaks_of_unicode_in_a_field_break_no_row(file):
    ledger.record(file, result("a", command=LINE_BREAKS_OF_UNICODE), result("b"))
    rows, problems = ledger.read(file)
    assert problems == []
    assert rows[0].command == LINE_BREAKS_OF_UNICODE


@pytest.mark.parametrize(
    "damage",
    [lambda line: line + ",further", lambda line: line + "x" * 200_000, lambda line: line[:20]],
    ids=["a cell too many", "a giant cell", "a cut line"],
)
def test_a_ledger_that_takes_no_row_is_found_before_anything_is_computed(file, damage):
    ledger.record(file, result("a"), result("b"))
    ledger.check(file)
    header, first, second, _ = file.read_text().split("\n")
    file.write_text("\n".join([header, damage(first), second, ""]))
    with pytest.raises(BadInput, match=r"is left unchanged: line 2 .*Repair or delete that line") as caught:
        ledger.check(file)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_a_ledger_where_nothing_can_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot be written"):
        ledger.check(tmp_path / "file" / "ledger.csv")


def test_a_result_that_is_no_text_is_left_out_of_a_rebuilt_ledger(runs):
    for name, content in (("list", b"[]"), ("bytes", b"\xff"), ("nothing", b"")):
        (runs / name).mkdir()
        (runs / name / RESULT).write_bytes(content)
    rows, problems = ledger.rebuild(runs)
    assert len(rows) == 3
    assert [str(runs / name) in problem for name, problem in zip(("bytes", "list", "nothing"), problems, strict=True)]
