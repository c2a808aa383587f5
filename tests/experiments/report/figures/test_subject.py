"""What every figure draws: the activations with a value, their looks, and a name for each setting."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.report.figures.subject import Subject, describe, finished, joined
from tests.experiments.ledgers import grid, row, write

ACTS = ("gelu", "relu", "carelu")


def subject_of(file, rows):
    return Subject.of(read_evidence(write(file, rows)), "relu")


def test_the_baseline_comes_first_and_an_activation_without_the_metric_is_left_out(tmp_path):
    rows = [*grid(ACTS, range(2)), row("elu", 0, status="diverged")]
    subject = subject_of(tmp_path / "ledger.csv", rows)
    (setting,) = subject.stems
    assert subject.headline(setting)[0] == "top1"
    acts = [entry.act for entry in subject.entries(setting, "top1")]
    assert acts[0] == "relu"
    assert set(acts) == set(ACTS)
    assert subject.entries(setting, "top5") == []


def test_a_part_of_the_evidence_keeps_the_looks_of_all(tmp_path):
    whole = read_evidence(write(tmp_path / "all.csv", grid(("relu", "one", "two"), range(2))))
    part = read_evidence(write(tmp_path / "part.csv", grid(("relu", "two"), range(2))))
    of_part = Subject.of(whole, "relu", part)
    assert of_part.evidence is part
    assert of_part.looks == Subject.of(whole, "relu").looks != Subject.of(part, "relu").looks


def test_a_named_activation_is_shown_with_its_options_and_judged_as_among_all(tmp_path):
    rows = grid(("relu", "gelu", "gelu(tanh=true)", "gelu_like", "elu"), range(6))
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    whole, named = Subject.of(evidence, "relu"), Subject.of(evidence, "relu", named=("gelu",))
    (setting,) = named.stems
    assert named.acts() == list(named.runs(setting)) == ["relu", "gelu", "gelu(tanh=true)"]
    assert named.looks == whole.looks
    of_all = {entry.act: entry for entry in whole.entries(setting, "top1")}
    shown = named.entries(setting, "top1")
    assert [entry.act for entry in shown] == named.acts()
    assert all(entry.verdict == of_all[entry.act].verdict for entry in shown)


@pytest.mark.parametrize(
    ("fields", "stems"),
    [
        ([{}], ["cifar100_small"]),
        ([{"data": "a"}, {"data": "b"}], ["cifar100_small_a", "cifar100_small_b"]),
        ([{"model": "x"}, {"model": "y"}], ["cifar100_small_x", "cifar100_small_y"]),
        (
            [{"model": "x"}, {"model": "x", "data": "b"}, {"model": "y"}],
            ["cifar100_small_b", "cifar100_small_cifar100_x", "cifar100_small_y"],
        ),
        ([{"recipe": "full"}, {"recipe": "small"}], ["cifar100_full", "cifar100_small"]),
    ],
)
def test_a_setting_has_the_shortest_name_that_no_other_has(tmp_path, fields, stems):
    rows = []
    for each in fields:
        rows += [
            {**made, "run_id": f"{made['run_id']}-{len(rows)}"} for made in grid(("relu", "gelu"), range(1), **each)
        ]
    assert sorted(subject_of(tmp_path / "ledger.csv", rows).stems.values()) == stems


def test_settings_that_differ_in_the_machine_alone_have_names_of_their_own(tmp_path):
    rows = [
        *grid(("relu",), range(1)),
        *({**made, "run_id": "other"} for made in grid(("relu",), range(1), threads=4)),
    ]
    assert len(set(subject_of(tmp_path / "ledger.csv", rows).stems.values())) == 2


def test_only_runs_that_reached_their_end_are_finished(tmp_path):
    runs = read_evidence(write(tmp_path / "l.csv", [row("relu", 0), row("relu", 1, status="diverged")])).runs
    assert [run.seed for run in finished(runs)] == [0]


def test_a_caption_names_the_conditions_and_has_no_empty_sentence(tmp_path):
    (setting,) = subject_of(tmp_path / "ledger.csv", grid(ACTS, range(2))).stems
    assert describe(setting).startswith("ResNet-18 w16 on CIFAR-100, recipe small, ")
    assert describe(setting).endswith(", float32.")
    assert joined("One.", "", "Two.") == "One. Two."
