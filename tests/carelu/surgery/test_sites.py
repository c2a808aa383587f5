import functools

import torch
from torch import nn
from torch.nn import functional as F

from carelu.surgery.kinds import Kinds
from carelu.surgery.sites import Report, Site, find_sites


def found(model):
    return {site.name: (site.kind, site.before, site.aliases) for site in find_sites(model, Kinds())}


class Holder(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = functools.partial(F.gelu, approximate="tanh")
        self.other = torch.sigmoid
        self.relu = nn.ReLU()


def test_modules_and_functions_in_attributes_are_found():
    assert found(nn.Sequential(Holder())) == {
        "0.act": ("attribute", "F.gelu", ()),
        "0.relu": ("module", "ReLU", ()),
    }


def test_each_position_of_one_module_is_a_site_and_other_names_share_one():
    model, shared = nn.Module(), nn.ReLU()
    model.first, model.second = shared, shared
    assert found(model) == {"first": ("module", "ReLU", ("second",))}

    model.layers = nn.Sequential(shared, shared)
    assert found(model) == {"layers.0": ("module", "ReLU", ("first", "second")), "layers.1": ("module", "ReLU", ())}


def test_a_block_under_two_names_is_found_once():
    model, block = nn.Module(), nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.first, model.second = block, block
    assert list(found(model)) == ["first.1"]


def test_report_is_the_list_of_replaced_names_and_shows_every_site():
    taken = Site("a.act", "ReLU", shape=(2, 3), layout="N×C", over=(-1,), calls=1, now="CAReLU", aliases=("b",))
    left = Site("c.act", "F.gelu", note="left out by where")

    report = Report([taken, left], ["Mind the gap."])

    assert report == ["a.act"]
    lines = str(report).splitlines()
    assert lines[1].split() == ["a.act", "(=", "b)", "ReLU", "1", "2×3", "N×C", "(-1,)", "CAReLU"]
    assert "left out by where" in lines[2]
    assert lines[3] == "Mind the gap."
