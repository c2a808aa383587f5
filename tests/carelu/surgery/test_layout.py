import pytest
from torch import nn

from carelu.surgery.kinds import Kinds
from carelu.surgery.layout import layout_of, over_of_calls, over_of_structure
from carelu.surgery.sites import Site, find_sites
from carelu.surgery.tracing import Call


@pytest.mark.parametrize(
    ("shape", "dim", "layout", "over"),
    [
        ((2, 8), 1, "N×C", (-1,)),
        ((2, 5, 8), 2, "N×L×C", (-1,)),
        ((2, 5, 5, 8), 3, "N×H×W×C", (-1,)),
        ((2, 3, 5, 5, 8), 4, "N×…×C", (-1,)),
        ((2, 8, 5), 1, "N×C×L", (1,)),
        ((2, 8, 5, 5), 1, "N×C×H×W", "sample"),
        ((2, 8, 3, 5, 5), 1, "N×C×…", "sample"),
    ],
)
def test_each_layout_has_its_competition(shape, dim, layout, over):
    assert layout_of(Call(shape, dim)) == layout
    assert over_of_calls(Site("act", "ReLU"), [Call(shape, dim)]) == (layout, over)


def test_an_unknown_layout_gives_no_choice():
    assert over_of_calls(Site("act", "ReLU"), [Call((2, 5, 8), None)]) is None
    assert over_of_calls(Site("act", "ReLU"), []) is None


def test_one_module_called_with_images_and_with_vectors_competes_within_the_sample():
    calls = [Call((2, 8, 5, 5), 1), Call((2, 8), 1)]
    assert over_of_calls(Site("act", "ReLU"), calls) == ("N×C×H×W, N×C", "sample")


def test_one_module_called_with_images_and_with_tokens_is_refused():
    with pytest.raises(ValueError, match="act is called with N×C×H×W and with N×L×C"):
        over_of_calls(Site("act", "ReLU"), [Call((2, 8, 5, 5), 1), Call((2, 5, 8), 2)])


def chosen(model):
    (site,) = find_sites(model, Kinds())
    return over_of_structure(model, site)[1]


class Network(nn.Module):
    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


CONV, SERIES, LINEAR = nn.Conv2d(3, 3, 1), nn.Conv1d(3, 3, 1), nn.Linear(3, 3)


@pytest.mark.parametrize(
    ("model", "over"),
    [
        (nn.Sequential(CONV, nn.ReLU(), LINEAR), "sample"),
        (nn.Sequential(CONV, LINEAR, nn.GELU(), LINEAR, CONV), (-1,)),
        (nn.Sequential(SERIES, nn.ReLU()), (1,)),
        (nn.Sequential(nn.Embedding(3, 3), nn.ReLU()), (-1,)),
        (Network(conv=CONV, block=Network(linear=LINEAR, act=nn.ReLU()), head=CONV), (-1,)),
        (Network(conv=CONV, relu=nn.ReLU(), body=nn.Sequential(nn.Conv2d(3, 3, 1), LINEAR)), "sample"),
        (Network(stem=CONV, act=nn.Sequential(nn.ReLU())), "sample"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), "sample"),
    ],
)
def test_layers_next_to_a_site_decide_where_nothing_was_traced(model, over):
    assert chosen(model) == over


def test_layers_of_two_kinds_next_to_a_site_are_refused():
    with pytest.raises(
        ValueError, match=r"Network, which has convolutional and linear layers next to it.*example_inputs"
    ):
        chosen(Network(conv=CONV, relu=nn.ReLU(), linear=LINEAR))


class Transposed(nn.Module):
    def forward(self, z):
        return z.mT


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (nn.Sequential(SERIES, Transposed(), nn.ReLU(), LINEAR), "Transposed"),
        (nn.Sequential(CONV, nn.Dropout(), nn.Flatten(), nn.ReLU(), LINEAR), "Flatten"),
        (nn.Sequential(SERIES, nn.Sequential(Transposed(), nn.Tanh()), nn.ReLU()), "Transposed"),
        (nn.Sequential(SERIES, nn.Sequential(Transposed(), nn.ReLU()), LINEAR), "Transposed"),
        (nn.Sequential(nn.ReLU(), nn.Flatten(), LINEAR), "Flatten"),
    ],
)
def test_a_module_between_layer_and_site_that_may_change_the_layout_is_refused(model, name):
    with pytest.raises(ValueError, match=rf"as {name} between them may change it; pass example_inputs"):
        chosen(model)


@pytest.mark.parametrize("between", [nn.BatchNorm1d(3), nn.Dropout(), nn.MaxPool1d(2), nn.Identity(), nn.Tanh()])
def test_modules_that_keep_the_layout_may_stand_between(between):
    assert chosen(nn.Sequential(SERIES, nn.Sequential(between), nn.ReLU(), nn.Flatten(), LINEAR)) == (1,)
