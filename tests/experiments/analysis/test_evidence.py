"""A ledger read as evidence: what is used, what is named as unusable, and what is refused."""

import json

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.errors import BadInput
from experiments.record.row import COLUMNS
from tests.experiments.ledgers import row, write


def damaged(file, line, change):
    """Changes one line (1 is the header) of a ledger."""
    lines = file.read_text().split("\n")
    lines[line - 1] = change(lines[line - 1])
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda line: line.replace("41.25,713076", "4l.25,713076"), "column 'headline_value' is '4l.25', not a number"),
        (lambda line: line.replace("41.25,713076", "nan,713076"), "column 'headline_value' is 'nan', not a number"),
        (lambda line: line.replace("41.25,713076", "4125,713076"), "'4125', and the best possible is 100"),
        (lambda line: line.replace("finished", "finishd"), "column 'status' is 'finishd', not finished or diverged"),
        (lambda line: line.replace("{},1,top1", "{},-1,top1"), "column 'seed' is '-1', not an integer"),
        (lambda line: line.replace("{},1,top1", "[],1,top1"), "column 'overrides' is '[]', not a JSON object"),
        (lambda line: line.replace("EPYC,2,", "EPYC,two,"), "column 'threads' is 'two', not an integer ≥ 0 or empty"),
        (lambda line: line.replace("T12:00:00Z", ""), "column 'finished_at' is '2026-01-31', not a time"),
        (lambda line: line[:40], "it ends before column"),
        (lambda line: line + ",1", "cells for"),
        (lambda line: line.replace("python run", '"python run'), "it is not CSV"),
        (lambda line: line.replace("resnet18", "\ufffdnet"), "column 'model' is '\ufffdnet-w16', not text in UTF-8"),
    ],
)
def test_a_bad_row_is_named_with_line_and_column_and_the_rest_is_used(tmp_path, change, named):
    file = write(tmp_path / "ledger.csv", [row(seed=0), row(seed=1, value=41.25), row(seed=2)])
    evidence = read_evidence(damaged(file, 3, change))
    assert [run.seed for run in evidence.runs] == [0, 2]
    assert len(evidence.problems) == 1
    assert evidence.problems[0].startswith("line 3 of ledger.csv is left out: ")
    assert named in evidence.problems[0]


def test_a_finished_run_without_its_records_is_named(tmp_path):
    rows = [row(seed=seed, run_id=f"run-{seed}") for seed in (0, 1)] + [row(seed=2, run_id="run-2", status="failed")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "run-0.jsonl").write_text('{"epoch": 1}\n')
    (problem,) = evidence.without_metrics()
    assert problem.startswith("run-1 ")


def test_bytes_that_are_no_text_damage_their_row_only(tmp_path):
    file = write(tmp_path / "ledger.csv", [row(seed=0), row(seed=1)])
    file.write_bytes(file.read_bytes().replace(b"resnet18", b"\xff\xfe", 1))
    evidence = read_evidence(file)
    assert [run.seed for run in evidence.runs] == [1]
    assert "line 2" in evidence.problems[0]


def test_a_column_of_remarks_is_no_metric(tmp_path):
    rows = [row(seed=0, remark="on the old machine"), row(seed=1, remark="")]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert evidence.problems == ()
    assert all("remark" not in run.metrics for run in evidence.runs)


def test_of_repeated_runs_the_newest_is_used_and_the_others_are_named(tmp_path):
    newest = row(seed=0, value=43.0, run_id="new", finished_at="2026-03-01T00:00:00Z")
    rows = [newest, row(seed=0, value=42.0, run_id="old"), row(seed=1)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    assert [run.value for run in evidence.runs if run.seed == 0] == [43.0]
    assert evidence.problems == (
        "old of 2026-01-31T12:00:00Z is not used: new of 2026-03-01T00:00:00Z is newer and has the same setting, "
        "activation (relu) and seed (0).",
    )


@pytest.mark.parametrize(
    "newest",
    [
        row(seed=0, value=41.0, run_id="new", finished_at="2026-03-01T00:00:00Z"),
        row(seed=0, status="diverged", run_id="new", finished_at="2026-03-01T00:00:00Z"),
        row(seed=0, value=41.0, run_id="new", finished_at="2026-01-31T11:30:00-02:00"),
    ],
    ids=["worse", "diverged", "later in another time zone"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_of_repeated_runs_is_used_however_it_did(tmp_path, newest, order):
    rows = [
        row(seed=0, value=42.0, run_id="old"),
        row(seed=0, value=43.0, run_id="older", finished_at="2025-01-01T00:00:00Z"),
        newest,
    ]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows[::order]))
    assert [run.run_id for run in evidence.runs] == ["new"]
    assert len(evidence.problems) == 2


def test_a_repetition_of_a_loss_is_also_judged_by_its_time(tmp_path):
    rows = [
        row(seed=0, value=1.5, headline_metric="loss", run_id="old"),
        row(seed=0, value=1.8, headline_metric="loss", run_id="new", finished_at="2026-03-01T00:00:00Z"),
    ]
    assert [run.value for run in read_evidence(write(tmp_path / "ledger.csv", rows)).runs] == [1.8]


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (None, "there is no ledger .*--ledger"),
        ("", "is not a ledger: column 'run_id' is missing"),
        ("a,b\n1,2\n", "is not a ledger: column 'run_id' is missing"),
        (",".join(COLUMNS) + ",seed\n", "is not a ledger: column 'seed' is repeated"),
        (",".join(COLUMNS) + "\n", "no usable row: it has no rows"),
        (",".join(COLUMNS) + "\nx,y\n", "no usable row: line 2 .* ends before column 'task'"),
    ],
)
def test_a_file_without_a_usable_row_is_refused(tmp_path, content, answer):
    file = tmp_path / "ledger.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadInput, match=answer):
        read_evidence(file)


def test_the_records_of_a_run_are_found_beside_a_published_ledger_and_beside_a_local_one(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "metrics" / f"{evidence.runs[0].run_id}.jsonl"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "metrics.jsonl"
    broken = tmp_path / "metrics" / f"{evidence.runs[3].run_id}.jsonl"
    for file, text in (
        (published, '{"epoch": 1}\n{"epoch": 2}\n'),
        (local, '{"epoch": 9}\n'),
        (broken, '{"epoch": 1}\n{"ep'),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    first, second, third, fourth = evidence.runs
    assert evidence.metrics_of(first) == [json.loads('{"epoch": 1}'), {"epoch": 2}]
    assert evidence.metrics_of(second) == [{"epoch": 9}]
    assert evidence.metrics_of(third) is None
    with pytest.raises(BadInput, match=r"line 2 is damaged"):
        evidence.metrics_of(fourth)


def test_the_picture_of_a_run_is_beside_the_ledger_or_in_the_run_directory(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(3)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "pictures" / "published-0.png"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "artifacts" / "comparison.png"
    for file in (published, local):
        file.parent.mkdir(parents=True)
        file.touch()
    assert [evidence.picture_of(run) for run in evidence.runs] == [published, local, None]


def test_the_configuration_of_a_run_is_beside_the_ledger_or_in_the_run_directory(tmp_path):
    rows = [row(seed=seed, run_id=f"published-{seed}", config_hash=f"{seed}abc") for seed in range(4)]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    published = tmp_path / "configs" / "published-0.yaml"
    local = tmp_path / "cifar100" / "small" / "relu" / "s1-1abc" / "config.yaml"
    broken = tmp_path / "configs" / "published-3.yaml"
    for file, text in ((published, "seed: 0\n"), (local, "seed: 1\n"), (broken, "a: [")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert [evidence.config_of(run) for run in evidence.runs[:3]] == [{"seed": 0}, {"seed": 1}, None]
    with pytest.raises(BadInput, match=r"published-3\.yaml cannot be read"):
        evidence.config_of(evidence.runs[3])
