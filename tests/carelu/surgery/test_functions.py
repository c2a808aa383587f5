import torch
from torch import nn
from torch.nn import functional as F

from carelu.surgery.functions import add_function_sites, set_routes
from carelu.surgery.kinds import Kinds
from carelu.surgery.routing import is_routed, routes_of
from carelu.surgery.sites import find_sites
from carelu.surgery.tracing import trace


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = F.silu

    def forward(self, z):
        return F.gelu(self.act(F.relu(z)))


def found(model, kinds):
    sites = find_sites(model, kinds)
    seen = trace(model, sites, torch.randn(2, 3))
    return sites, add_function_sites(model, kinds, seen, sites)


def test_calls_become_sites_unless_an_attribute_stands_for_them():
    model = nn.Sequential(Block())
    sites, ((owner, turns, _),) = found(model, Kinds())
    assert [site.name for site in sites] == ["0.act", "0.functional_0_relu", "0.functional_1_gelu"]
    assert owner is model[0]
    assert [turn.site.name for turn in turns] == ["0.functional_0_relu", "0.act", "0.functional_1_gelu"]


def test_functions_of_other_kinds_keep_their_turn_without_a_site():
    _, ((_, turns, _),) = found(Block(), Kinds([F.gelu]))
    assert [(turn.function, turn.site is None) for turn in turns] == [("relu", True), ("silu", True), ("gelu", False)]


def test_routes_lead_to_replaced_sites_and_pass_by_attributes_that_became_modules():
    model = Block()
    sites, turns = found(model, Kinds())
    set_routes(turns)
    assert not is_routed(model)

    for site in sites[:2]:  # the attribute and F.relu
        site.now = "CAReLU"
    set_routes(turns)
    assert routes_of(model) == (("relu", "functional_0_relu"), ("gelu", None))


def test_what_an_earlier_replacement_did_not_see_cannot_be_routed():
    model = Block()
    sites, turns = found(model, Kinds())
    sites[1].now = "CAReLU"
    model.functional_0_relu = nn.Identity()
    set_routes(turns)
    model.__dict__["_activation_routes"] = (("relu", "functional_0_relu"), ("gelu", None), ("gelu", None))
    model.__dict__["_activation_spans"] = {"forward": (0, (2,))}
    model.act = nn.Tanh()

    sites, turns = found(model, Kinds())

    assert turns == []
    assert "an earlier replacement did not see all its calls" in sites[-1].note
