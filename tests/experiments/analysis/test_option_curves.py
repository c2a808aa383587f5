"""Runs by the value of an option."""

from experiments.analysis.evidence import read_evidence
from experiments.analysis.option_curves import curves_over
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
