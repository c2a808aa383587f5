"""Pages of activations, made from registry, configs and benchmarks."""

import pytest
from torch import nn

from carelu import activation_names, register, registry
from experiments.report.activation_pages import choices, costs, described, pages
from tests.conftest import ROOT

BENCHMARKS = ROOT / "results/benchmarks"


@pytest.fixture(scope="module")
def made():
    return pages(BENCHMARKS)


@pytest.mark.slow
def test_every_registered_activation_has_a_page_that_is_listed(made):
    index = made["index.md"].decode()
    for name in activation_names():
        assert f"{name}.md" in made
        assert f"({name}.md)" in index


@pytest.mark.slow
def test_a_page_has_formula_source_options_picture_and_cost(made):
    page = made["prelu.md"].decode()
    assert "```math\ny = " in page
    assert "[arXiv 1502.01852](https://arxiv.org/abs/1502.01852)" in page
    assert "| `init` | `0.25` | initial slope below 0 |" in page
    assert "](prelu.svg)" in page and made["prelu.svg"].lstrip().startswith(b"<?xml")
    assert "| `prelu` | AMD EPYC (2 threads) | float32 | contiguous | torch | 6.06 |" in page


def test_the_cost_is_the_one_of_the_published_table():
    published = (BENCHMARKS / "amd-epyc-2-threads.md").read_text(encoding="utf-8")
    (cost,) = (c for c in costs(BENCHMARKS, {"gelu"}) if (c.precision, c.layout) == ("float32", "contiguous"))
    assert f"| gelu | {cost.ratio:.2f} (" in published


def test_every_option_of_a_configuration_has_its_meaning(made):
    for name in activation_names():
        for choice in choices(name):
            assert choice.comments.keys() == choice.options.keys(), choice.word
            assert f"]({choice.word}.svg)" in made[f"{name}.md"].decode()


def test_every_activation_has_its_source():
    assert {name: described(name) for name in activation_names() if not all(described(name))} == {}


def test_an_activation_from_elsewhere_gets_a_page_from_its_class_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "_ENTRIES", {})

    @register("thirds")
    class Thirds(nn.Hardswish):
        """z / 3 somehow. Nobody, arXiv 2001.00001."""

    page = pages(tmp_path)["thirds.md"].decode()
    assert "y = z / 3 somehow" in page
    assert "[arXiv 2001.00001](https://arxiv.org/abs/2001.00001)" in page
    assert "It has none." in page and "Not measured yet" in page


def test_a_paper_page_says_what_is_our_own_choice(made):
    assert "Our own choices" in made["carelu.md"].decode()
    assert "Our own choices" not in made["gelu.md"].decode()
