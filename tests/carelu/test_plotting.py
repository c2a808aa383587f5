import subprocess
import sys

import pytest
import torch
from torch import nn

from carelu import CAReLU, create_activation, plot
from carelu.plotting import response_and_derivative


def test_the_derivative_is_that_of_each_value_separately():
    z = torch.linspace(-3, 3, 13, dtype=torch.float64)
    y, slope = response_and_derivative(create_activation("swish"), z)
    gate = torch.sigmoid(z)
    torch.testing.assert_close(y, z * gate)
    torch.testing.assert_close(slope, gate + z * gate * (1 - gate))


def test_a_picture_shows_the_response_and_its_derivative():
    pytest.importorskip("matplotlib")
    response, derivative = plot("leaky_relu", negative_slope=0.25, low=-2, high=2).axes

    (line,), (slope,) = response.lines, derivative.lines
    z = torch.linspace(-2, 2, 401)
    torch.testing.assert_close(torch.tensor(line.get_ydata()).float(), torch.where(z > 0, z, z / 4))
    assert (slope.get_ydata()[0], slope.get_ydata()[-1]) == (0.25, 1.0)


def test_carelu_has_one_curve_for_each_share():
    pytest.importorskip("matplotlib")
    module = CAReLU(alpha=2.0, beta=-1.0).double()

    lines = {line.get_label(): line.get_ydata() for line in plot(module).axes[0].lines}

    assert list(lines) == ["p = 0", "p = 0.25", "p = 0.5", "p = 0.75", "p = 1"]
    assert lines["p = 0"][0] == pytest.approx(4 * 1.5 * 0.7615941559557649)  # 1.5 tanh(1) times 4
    assert lines["p = 1"][0] == 0


def test_an_activation_that_overwrites_its_input_is_drawn():
    pytest.importorskip("matplotlib")
    assert plot(nn.ReLU(inplace=True)).axes[0].lines[0].get_ydata()[-1] == 4.0


@pytest.mark.parametrize(
    ("arguments", "options", "reason"),
    [
        (("carelou",), {}, "did you mean 'carelu'"),
        (("carelu",), {"gian": 2}, "did you mean 'gain'"),
        ((nn.ReLU(),), {"gain": 2}, "gain are for a name"),
        (("relu",), {"low": 1.0, "high": 1.0}, "are no range"),
    ],
    ids=str,
)
def test_a_mistake_is_named(arguments, options, reason):
    with pytest.raises(ValueError, match=reason):
        plot(*arguments, **options)


@pytest.mark.slow
def test_without_matplotlib_the_library_works_and_a_picture_says_what_is_missing():
    program = """
import sys
sys.modules["matplotlib"] = None
import carelu
try:
    carelu.plot("relu")
except ImportError as error:
    assert "pip install matplotlib" in str(error), error
else:
    raise SystemExit("a picture without matplotlib")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
