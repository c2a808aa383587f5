"""The plot of one activation."""

import torch

from carelu import CAReLU, create_activation
from experiments.report.figures.activation import activation_plot, response_and_derivative


def test_the_derivative_is_that_of_each_value_separately():
    z = torch.linspace(-3, 3, 13, dtype=torch.float64)
    y, slope = response_and_derivative(create_activation("swish"), z)
    gate = torch.sigmoid(z)
    torch.testing.assert_close(y, z * gate)
    torch.testing.assert_close(slope, gate + z * gate * (1 - gate))


def test_the_same_module_gives_the_same_bytes():
    assert activation_plot(CAReLU()) == activation_plot(CAReLU())


def test_the_curves_of_a_competing_activation_depend_on_its_start():
    assert activation_plot(CAReLU()) != activation_plot(CAReLU(alpha=2.0, beta=-1.0))
