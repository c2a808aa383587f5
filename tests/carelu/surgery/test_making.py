import pytest
import torch
from torch import nn

from carelu import CAReLU
from carelu.surgery.making import AUTO, Maker
from carelu.surgery.sites import Site


def installed(model, maker, over=(-1,)):
    maker.install(model, Site("act", "ReLU", over=over, places=[(model, "act")]))
    return model.act


def holder(act):
    model = nn.Module()
    model.linear, model.act = nn.Linear(2, 2), act
    return model


def test_new_module_takes_over_mode_and_hooks():
    model, seen = holder(nn.ReLU().eval()), []
    handle = model.act.register_forward_hook(lambda *_: seen.append("called"))

    new = installed(model, Maker("carelu", AUTO, {}))

    assert type(new) is CAReLU and new.over == (-1,) and not new.training
    new(torch.randn(2, 2))
    handle.remove()
    new(torch.randn(2, 2))
    assert seen == ["called"]


def test_what_is_there_already_is_known():
    model = holder(nn.ReLU())
    site = Site("act", "CAReLU", places=[(model, "act")])
    installed(model, Maker("carelu", AUTO, {"gain": 2.0}))

    assert Maker("carelu", AUTO, {"gain": 2.0}).is_there(site)
    assert not Maker("carelu", AUTO, {}).is_there(site)
    assert not Maker("mish", AUTO, {}).is_there(site)


@pytest.mark.parametrize(("act", "name", "there"), [("carelu", "carelu", True), ("carelu", "carelu_sign", False)])
def test_a_module_that_the_author_wrote_is_kept_if_it_is_just_what_was_asked_for(act, name, there):
    site = Site("act", "CAReLU", places=[(holder(CAReLU(over=(-1,))), "act")])
    assert Maker(name, AUTO, {}).is_there(site) is there


class Halved(nn.Module):
    def __init__(self, factor=0.5):
        super().__init__()
        self.factor = factor


def test_a_class_can_be_given_instead_of_a_name():
    assert Maker(Halved, AUTO, {"factor": 3}).make(None).factor == 3
    maker = Maker(CAReLU, AUTO, {"gain": 2.0})
    assert maker.chooses_over and maker.make((1,)).over == (1,)


@pytest.mark.parametrize(
    ("activation", "over", "options", "message"),
    [
        ("cralu", AUTO, {}, "unknown activation 'cralu'"),
        (Halved, AUTO, {"factro": 2}, "Halved has no option 'factro'; did you mean 'factor'"),
        ("mish", "sample", {}, "takes no options, got 'over'"),
        (nn.ReLU(), AUTO, {}, "accepted: a registered name"),
        ("carelu_pre_norm", AUTO, {}, "competition_input"),
    ],
)
def test_wrong_requests_are_refused(activation, over, options, message):
    with pytest.raises(ValueError, match=message):
        Maker(activation, over, options)
