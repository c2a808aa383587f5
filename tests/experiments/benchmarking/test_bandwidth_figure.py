"""The figure of bandwidth."""

from experiments.benchmarking.bandwidth_figure import bandwidth_figure
from experiments.benchmarking.operations import COPY
from tests.experiments.benchmarking.made_up_rows import activation_rows


def test_the_figure_shows_every_activation_under_the_copy():
    figure = bandwidth_figure(activation_rows(), "a-machine")
    files = dict(figure.files())
    assert set(files) == {"svg", "pdf", "png"}
    for name in ("carelu", "relu", COPY):
        assert f"<!-- {name}".encode() in files["svg"].lower()
