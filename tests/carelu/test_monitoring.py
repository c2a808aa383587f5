import math

import pytest
import torch
from torch import nn

from carelu import CAReLU, PReLU, monitor


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), CAReLU(alpha=3.0, beta=-1.5), nn.Linear(8, 8), PReLU(0.1), nn.ReLU())


def batches() -> list[torch.Tensor]:
    return [torch.randn(size, 6, generator=torch.Generator().manual_seed(size)) for size in (5, 3)]


def test_rows_are_those_of_all_inputs_together():
    watched, (first, second) = model(), batches()

    with monitor(watched) as measured:
        watched(first)
        watched(second)
    watched(10 * first)  # outside the block nothing is measured

    row, of_prelu = measured.rows()
    z = watched[0](torch.cat([first, second])).detach()
    share = watched[1].share(z)
    scale = watched[1].scale(share).detach()
    expected = {
        **{"alpha": 3.0, "beta": -1.5, "share": share.mean(), "share_std": share.std(correction=0)},
        **{"scale": scale.mean(), "scale_std": scale.std(correction=0)},
        **{"scale_min": scale.min(), "scale_max": scale.max(), "flipped": (scale < 0).float().mean()},
    }
    assert (row["layer"], row["activation"], row["competitions"]) == ("1", "CAReLU", 8)
    assert {key: row[key] for key in expected} == pytest.approx({k: float(v) for k, v in expected.items()}, abs=1e-6)
    assert 0 < row["flipped"] < 1
    assert of_prelu == {"layer": "3", "activation": "PReLU", "weight": pytest.approx(0.1)}


def test_without_a_forward_pass_there_are_the_parameters_alone():
    row = monitor(model()).rows()[0]

    assert row == {"layer": "1", "activation": "CAReLU", "alpha": 3.0, "beta": -1.5, "competitions": 0}


def test_the_pre_norm_share_is_measured_on_the_second_argument():
    module = CAReLU(alpha=1.0, competition_input="pre_norm")
    holder = nn.ModuleList([module])
    z, before = torch.randn(4, 5), torch.randn(4, 5)

    with monitor(holder) as measured:
        module(z, before)

    assert measured.rows()[0]["share"] == pytest.approx(module.share(z, before).mean().item())


@pytest.mark.parametrize("named", [("pre_norm",), ("z", "pre_norm")])
def test_arguments_may_be_given_by_name(named):
    module, z, pre_norm = CAReLU(alpha=2.0, competition_input="pre_norm"), torch.randn(3, 4), torch.randn(3, 4)
    given = {"z": z, "pre_norm": pre_norm}
    with monitor(module) as measured:
        module(*(given[name] for name in given if name not in named), **{name: given[name] for name in named})
    (row,) = measured.rows()
    assert row["share"] == pytest.approx(module.share(z, pre_norm).mean().item())


def test_watching_changes_neither_outputs_nor_gradients():
    watched, alone = model(), model()
    with monitor(watched):
        output = watched(batches()[0])
    output.sum().backward()
    alone(batches()[0]).sum().backward()

    assert torch.equal(watched[1].alpha.grad, alone[1].alpha.grad)
    assert not any(module._forward_hooks for module in watched.modules())


def test_the_picture_has_a_place_for_each_layer():
    pytest.importorskip("matplotlib")
    watched = nn.Sequential(model(), nn.Linear(8, 6), CAReLU())
    with monitor(watched) as measured:
        watched(batches()[0])

    panels = measured.plot().axes

    assert [label.get_text() for label in panels[2].get_xticklabels()] == ["0.1", "2"]
    alphas = panels[2].lines[0].get_ydata()
    assert list(alphas) == [3.0, 0.0]


def test_nothing_measured_is_said():
    with pytest.raises(ValueError, match=r"inside `with carelu\.monitor"):
        monitor(model()).plot()


def test_an_infinite_input_does_not_end_the_measurement():
    watched = nn.Sequential(CAReLU(alpha=1.0))
    with monitor(watched) as measured:
        watched(torch.full((2, 3), math.inf))

    assert math.isnan(measured.rows()[0]["share"])
