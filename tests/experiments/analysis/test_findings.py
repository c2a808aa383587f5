"""The findings: every comparison that shares a seed with the baseline, and those that are about the subject."""

from experiments.analysis.evidence import read_evidence
from experiments.analysis.findings import findings, of_subject
from tests.experiments.ledgers import grid, row, write


def found(tmp_path, rows, baseline="relu"):
    return findings(read_evidence(write(tmp_path / "ledger.csv", rows)), baseline)


def test_each_activation_and_setting_that_shares_a_seed_is_a_finding(tmp_path):
    rows = [*grid(("relu", "gelu", "carelu"), range(2), ("cifar100", "text")), row("mish", 7)]
    said = [(finding.setting.task, finding.entry.act) for finding in found(tmp_path, rows)]
    assert said == [("cifar100", "carelu"), ("cifar100", "gelu"), ("text", "carelu"), ("text", "gelu")]


def test_one_pair_is_a_finding_that_is_undecided(tmp_path):
    (one,) = found(tmp_path, [row("relu", 0), row("carelu", 0)])
    assert one.entry.verdict.word == "undecided"


def test_the_findings_are_about_carelu_where_it_is_there(tmp_path):
    with_it = found(tmp_path, grid(("relu", "gelu", "carelu", "carelu(gain=2)"), range(2)))
    assert [finding.entry.act for finding in of_subject(with_it)] == ["carelu", "carelu(gain=2)"]
    without = found(tmp_path, grid(("relu", "gelu", "swish"), range(2)))
    assert [finding.entry.act for finding in of_subject(without)] == ["gelu", "swish"]
