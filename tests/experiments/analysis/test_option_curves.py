"""Runs by the value of an option."""

from experiments.analysis.evidence import read_evidence
from experiments.analysis.option_curves import curves_over
from experiments.record.publication import published
from experiments.record.run_directory import CONFIG
from tests.experiments.ledgers import row, write

ALPHA = "act.options.alpha"


def curves_of(tmp_path, rows):
    evidence = read_evidence(write(tmp_path / "ledger.csv", rows))
    return curves_over(evidence, "carelu", evidence.runs, ALPHA)


def test_values_are_in_order_and_other_options_apart(tmp_path):
    rows = [row(f"carelu(alpha={alpha})", 0, 40.0 + alpha) for alpha in (4, 1, 2)]
    rows += [row(f"carelu(alpha={alpha}, over=channel)", 0, 30.0 + alpha) for alpha in (1, 2, 8)]
    plain, channel = curves_of(tmp_path, rows)
    assert (plain.label, channel.label) == ("carelu", "carelu(over=channel)")
    assert list(plain.means("top1").items()) == [(1.0, 41.0), (2.0, 42.0), (4.0, 44.0)]
    assert list(channel.means("top1")) == [1.0, 2.0, 8.0]


def test_two_values_are_no_curve(tmp_path):
    assert curves_of(tmp_path, [row(f"carelu(alpha={alpha})", 0, 40.0) for alpha in (1, 2)]) == []


def test_what_was_not_measured_is_left_out(tmp_path):
    rows = [row(f"carelu(alpha={alpha})", 0, 40.0, scale_spread=0.1 if alpha > 1 else None) for alpha in (1, 2, 4)]
    (curve,) = curves_of(tmp_path, rows)
    assert curve.spreads() == {2.0: 0.1, 4.0: 0.1}
    assert curve.means("validation/top1") == {}


def test_the_value_of_a_run_that_overrides_nothing_is_in_its_configuration(tmp_path):
    plain, bare = row("carelu", 0, 44.0), row("carelu", 1, 45.0)
    config = published(tmp_path / "ledger.csv", CONFIG, plain["run_id"])
    config.parent.mkdir()
    config.write_text("act:\n  options:\n    alpha: 0.0\n")
    rows = [row(f"carelu(alpha={alpha})", 0, 40.0 + alpha) for alpha in (1, 2)]
    (curve,) = curves_of(tmp_path, [*rows, plain, bare])
    assert curve.means("top1") == {0.0: 44.0, 1.0: 41.0, 2.0: 42.0}
