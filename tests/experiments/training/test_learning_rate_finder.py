"""The range test: where the loss falls fastest, and that nothing is recorded as a run."""

import csv
import math

import pytest
from PIL import Image

from experiments.training import learning_rate_finder
from experiments.training.learning_rate_finder import HIGHEST, LOWEST, perform, steepest


def test_the_suggestion_is_where_the_loss_falls_fastest_before_its_minimum():
    rates = [10.0**power for power in range(-6, 3)]
    losses = [3.0, 3.0, 2.9, 2.0, 1.0, 0.9, 5.0, 5.0, 1.0]  # the last fall is after the explosion
    assert steepest(rates, losses) == pytest.approx(1e-3)


def test_the_noise_of_single_batches_does_not_decide():
    rates = [LOWEST * (HIGHEST / LOWEST) ** (step / 99) for step in range(100)]
    losses = [4.7 - 0.1 / (1 + (0.02 / rate) ** 2) for rate in rates]  # falls around 0.02
    losses[4], losses[5] = 4.76, 4.69  # steeper than anything in the fall, over one step
    assert 0.007 < steepest(rates, losses) < 0.06


@pytest.mark.parametrize("losses", [[1.0, 1.1, 1.2, 1.3], [1.0, 2.0], [1.0]])
def test_a_loss_that_never_falls_suggests_nothing(losses):
    assert steepest([10.0**power for power in range(len(losses))], losses) is None


def test_a_quadratic_explodes_at_its_limit_and_the_suggestion_is_below_it():
    """Gradient descent on c w²/2 with c = 10 diverges above 2 / c."""
    w, losses, rates = 1.0, [], []
    for step in range(100):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / 99)
        w -= rate * 10 * w
        if abs(w) > 1e3:
            break
        rates.append(rate)
        losses.append(5 * w * w)
    assert rates[-1] > 0.2 and 1e-3 < steepest(rates, losses) < 0.2


@pytest.mark.slow
def test_it_writes_a_picture_and_a_table_and_records_no_run(
    tiny_cifar100, tiny_overrides, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(learning_rate_finder, "STEPS", 20)
    assert perform([*tiny_overrides, "act=relu"]) == 0
    folder = tmp_path / "runs" / "learning_rates"
    (table,), (image,) = folder.glob("*.csv"), folder.glob("*.png")
    assert Image.open(image).width > 300
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert float(rows[0]["learning_rate"]) == LOWEST and float(rows[0]["loss"]) == pytest.approx(math.log(100), rel=0.2)
    assert {file.name for file in (tmp_path / "runs").iterdir()} == {"learning_rates"}
    assert str(image) in capsys.readouterr().out
