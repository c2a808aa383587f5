"""The picture of the front page."""

import pytest

from carelu import CAReLU
from experiments.analysis.provenance import DEFAULT_LEDGER
from experiments.analysis.verdict import judge
from experiments.errors import BadInput
from experiments.report.figures import front_page as module
from experiments.report.figures.front_page import front_page
from tests.conftest import ROOT
from tests.experiments.ledgers import row, write, write_config


def test_the_committed_picture_is_that_of_the_published_ledger():
    ledger = ROOT / DEFAULT_LEDGER
    assert front_page(ledger)["svg"] == (ledger.parent / "figures/front_page.svg").read_bytes()


def test_a_ledger_without_two_pairs_is_refused(tmp_path):
    write(tmp_path / "ledger.csv", [row("relu", 0), row("gelu", 0)])
    with pytest.raises(BadInput, match=r"ledger\.csv holds no comparison with two pairs or more"):
        front_page(tmp_path / "ledger.csv")


@pytest.fixture
def sheet_of(tmp_path, monkeypatch):
    """A function to the picture of so many settings, with so many seeds."""
    sheets = []
    monkeypatch.setattr(module, "_saved", lambda sheet, suffix: sheets.append(sheet) or b"")

    def sheet(seeds=4, settings=1, act="gelu", options=""):
        rows = []
        for model in (f"m{n}" for n in range(settings)):
            rows += [row("relu", seed, 40.0, model=model) for seed in range(seeds)]
            rows += [row(act, seed, 41.0 + 0.1 * (-1) ** seed, model=model) for seed in range(seeds)]
        for each in rows if options else ():
            config = f"act: {{name: {each['act']}, options: {{{options if each['act'] == act else ''}}}}}"
            write_config(tmp_path / "ledger.csv", each["run_id"], config)
        front_page(write(tmp_path / "ledger.csv", rows))
        return sheets[0]

    return sheet


def test_the_responses_are_those_of_the_ledger(sheet_of):
    labels = sheet_of().axes[0].get_legend_handles_labels()[1]
    assert labels == ["ReLU", "GELU"]


def test_a_competition_is_drawn_at_the_start_of_its_runs_and_at_both_ends_of_its_share(sheet_of):
    axes = sheet_of(act="carelu", options="alpha: 1.0").axes[0]
    ends = {line.get_label(): line.get_ydata()[-1] / line.get_xdata()[-1] for line in axes.lines}
    started = CAReLU(alpha=1.0)
    assert ends == {
        "ReLU": 1.0,
        "CAReLU, p = 1": pytest.approx(started.scale(1.0).item(), rel=1e-5),
        "CAReLU, p = 0": pytest.approx(started.scale(0.0).item(), rel=1e-5),
    }


def test_a_start_as_relu_has_no_response_beside_that_of_relu(sheet_of):
    labels = sheet_of(act="carelu", options="alpha: 0.0").axes[0].get_legend_handles_labels()[1]
    assert labels == ["ReLU"]


@pytest.mark.parametrize(("settings", "lines"), [(1, 1), (4, 1), (5, 2)])
def test_each_setting_has_a_panel_of_its_name(sheet_of, settings, lines):
    _, *panels = sheet_of(settings=settings).axes
    titles = [axes.get_title().partition("\n")[0] for axes in panels]
    assert titles == [f"CIFAR-100, m{n}" for n in range(settings)]
    assert len({round(axes.get_position().y0, 2) for axes in panels}) == lines


def test_a_name_with_an_option_stays_clear_of_the_panel_beside_it(sheet_of):
    sheet = sheet_of(settings=4, act="carelu(alpha=0)")
    sheet.canvas.draw()
    *_, left, right = sheet.axes
    labels = [label.get_window_extent() for label in right.get_yticklabels()]
    assert [label.get_text().split("\n")[0] for label in right.get_yticklabels()] == ["CAReLU"]
    assert min(label.x0 for label in labels) > left.get_window_extent().x1


def bar_of(axes):
    """The line of the interval in the first row."""
    (bar,) = (line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_ydata()[1] == 0)
    return bar


def test_the_bar_is_the_interval_of_the_verdict_and_the_margin_a_band(sheet_of):
    axes = sheet_of(seeds=4).axes[1]
    verdict = judge([1.1, 0.9, 1.1, 0.9], 0.5)
    assert list(bar_of(axes).get_xdata()) == pytest.approx([verdict.low, verdict.high])
    assert bar_of(axes).get_linestyle() == "-"
    assert (axes.patches[0].get_x(), axes.patches[0].get_width()) == (-0.5, 1.0)


def test_an_interval_without_ends_is_drawn_as_a_dashed_t_interval(sheet_of):
    assert bar_of(sheet_of(seeds=3).axes[1]).get_linestyle() == "--"
