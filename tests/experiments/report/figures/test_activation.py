"""The plot of one activation."""

from carelu import CAReLU
from experiments.report.figures.activation import activation_plot


def test_the_same_module_gives_the_same_bytes():
    assert activation_plot(CAReLU()) == activation_plot(CAReLU())


def test_the_curves_of_a_competing_activation_depend_on_its_start():
    assert activation_plot(CAReLU()) != activation_plot(CAReLU(alpha=2.0, beta=-1.0))
