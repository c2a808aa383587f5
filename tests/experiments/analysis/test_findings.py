"""The findings: every comparison that shares a seed with the baseline, and those that are about the subjects."""

import pytest

from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import check_subjects, findings, headlines, of_subjects
from experiments.analysis.metrics import describe_metric
from experiments.errors import BadInput
from experiments.report.sentences import chance_text, finding_sentence
from experiments.report.task_table import task_table
from tests.experiments.ledgers import grid, row, write, write_config


def found(tmp_path, rows, baseline="relu"):
    return findings(read_evidence(write(tmp_path / "ledger.csv", rows)), baseline)


def test_each_activation_and_setting_that_shares_a_seed_is_a_finding(tmp_path):
    rows = [*grid(("relu", "gelu", "carelu"), range(2), ("cifar100", "text")), row("mish", 7)]
    said = [(finding.setting.task, finding.entry.act) for finding in found(tmp_path, rows)]
    assert said == [("cifar100", "carelu"), ("cifar100", "gelu"), ("text", "carelu"), ("text", "gelu")]


def test_a_finding_is_about_its_metric_the_headline_on_every_set_or_the_one_that_is_asked_for(tmp_path):
    rows = [{**each, "top5": 90.0, "other/top1": 30.0} for each in grid(("relu", "gelu"), range(2))]
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    names = ["top1", "other/top1"]
    assert [finding.metric for finding in findings(evidence, "relu")] == [
        describe_metric("cifar100", name) for name in names
    ]
    (one,) = findings(evidence, "relu", "top5")
    assert one.metric == describe_metric("cifar100", "top5") and one.entry.values == {0: 90.0, 1: 90.0}
    assert one.setting == evidence.settings()[0]
    assert findings(evidence, "relu", "psnr_y") == []


@pytest.mark.parametrize(
    ("config", "chance"),
    [
        ("data: {classes: [entailment, neutral, contradiction]}", "chance: 33.3 %"),
        ("data: {classes: [negative, positive]}", "chance: 50 %"),
        ("data: {classes: null}", ""),
        ("data: {classes: 3}", ""),
        ("data: snli", ""),
        (None, ""),
    ],
)
def test_the_value_of_guessing_is_that_of_the_classes_in_the_configuration(tmp_path, config, chance):
    rows = [row("relu", 0, task="text"), row("carelu", 0, task="text", run_id="of-carelu")]
    file = write(tmp_path / "ledger.csv", rows)
    if config:
        write_config(file, "of-carelu", config)
    evidence = read_evidence(file)
    (one,), (headline,) = findings(evidence, "relu"), headlines(evidence)
    assert chance_text(one.metric) == chance_text(headline.metric) == chance
    notes = task_table(evidence, "text", "relu").blocks[0].notes
    if chance:
        assert f", {chance}" in finding_sentence(one, "relu") and f"{chance.capitalize()}." in notes
    else:
        assert "chance" not in finding_sentence(one, "relu") and not any("Chance" in note for note in notes)


def test_one_pair_is_a_finding_that_is_undecided(tmp_path):
    (one,) = found(tmp_path, [row("relu", 0), row("carelu", 0)])
    assert one.entry.verdict.word == "undecided"


def test_the_findings_are_about_all_by_default_and_else_about_the_subjects(tmp_path):
    of_all = found(tmp_path, grid(("relu", "gelu", "carelu", "carelu(gain=2)", "carelu_sign"), range(2)))

    def acts(*subjects):
        return [finding.entry.act for finding in of_subjects(of_all, subjects)]

    assert acts() == ["carelu", "carelu(gain=2)", "carelu_sign", "gelu"]
    assert acts("carelu") == ["carelu", "carelu(gain=2)"]
    assert acts("carelu(gain=2)") == ["carelu(gain=2)"]
    assert acts("gelu", "carelu_sign") == ["carelu_sign", "gelu"]


@pytest.mark.parametrize("subject", ["geluu", "relu"])
def test_a_subject_that_is_not_compared_is_refused_and_those_that_are_are_named(tmp_path, subject):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(("relu", "gelu", "carelu(gain=2)"), range(2))))
    check_subjects(evidence, ("gelu", "carelu"), "relu")
    with pytest.raises(BadInput, match=rf"--subject '?{subject}.*carelu\(gain=2\), gelu"):
        check_subjects(evidence, ("gelu", subject), "relu")


def test_the_options_of_the_baseline_can_be_the_subject(tmp_path):
    evidence = read_evidence(write(tmp_path / "ledger.csv", grid(("carelu", "carelu(gain=2)"), range(2))))
    check_subjects(evidence, ("carelu",), "carelu")


def test_a_headline_is_a_setting_in_which_an_activation_shares_a_seed_with_the_baseline(tmp_path):
    alone = [row("relu", 0, task="text"), row("gelu", 1, task="text")]
    file = write(tmp_path / "ledger.csv", [*grid(("relu", "gelu"), range(2), ("cifar100", "superres")), *alone])
    compared = headlines(read_evidence(file))
    titles = [describe_metric(task, name) for task, name in (("cifar100", "top1"), ("superres", "psnr_y"))]
    assert [each.metric for each in compared] == titles
    assert [[entry.act for entry in each.entries] for each in compared] == [["relu", "gelu"]] * 2
    assert headlines(read_evidence(file), baseline="elu") == []
