import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from carelu.surgery.channels import Channels, tensors_in


class Following(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.channels = Channels()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.channels.follow(func, args, kwargs or {}, result)
        return result


def dim_after(function, *shape):
    with Following() as following:
        return following.channels.of(function(torch.randn(shape))).dim


CONV = nn.Conv2d(3, 5, 3, padding=1)
LINEAR = nn.Linear(4, 6)


@pytest.mark.parametrize(
    ("function", "shape", "dim"),
    [
        (CONV, (2, 3, 4, 4), 1),
        (nn.Conv1d(3, 5, 1), (2, 3, 4), 1),
        (LINEAR, (2, 7, 4), 2),
        (lambda z: torch.addmm(torch.zeros(6), z, torch.randn(4, 6)), (2, 4), 1),
        (lambda z: F.avg_pool2d(CONV(z) + 1, 2), (2, 3, 4, 4), 1),
        (lambda z: CONV(z).permute(0, 2, 3, 1), (2, 3, 4, 4), 3),
        (lambda z: CONV(z).flatten(2).transpose(1, 2), (2, 3, 4, 4), 2),
        (lambda z: CONV(z).flatten(2).mT, (2, 3, 4, 4), 2),
        (lambda z: LINEAR(z).reshape(2, 2, 3, 6), (2, 6, 4), 3),
        (lambda z: LINEAR(z)[:, 0], (2, 6, 4), 1),
        (lambda z: LINEAR(z).mean(1), (2, 6, 4), 1),
        (lambda z: LINEAR(z).chunk(2, dim=-1)[1], (2, 6, 4), 2),
        (lambda z: CONV(z).mean((2, 3)), (2, 3, 4, 4), 1),
        (lambda z: CONV(z).reshape(2, 4, -1), (2, 3, 4, 4), None),
        (lambda z: z * 2, (2, 3, 4, 4), None),
    ],
)
def test_channels_are_followed(function, shape, dim):
    assert dim_after(function, *shape) == dim


def test_an_unknown_input_learns_from_the_layer_that_reads_it():
    heard = []
    with Following() as following:
        z = torch.randn(2, 5, 4)
        following.channels.of(z).waiting.append(heard.append)
        after = torch.tanh(z * 2)
        assert heard == []
        LINEAR(after)
    assert heard == [2]


def test_tensors_are_found_in_nested_arguments():
    one, other = torch.zeros(1), torch.zeros(2)
    assert [each.numel() for each in tensors_in(((one, [3, {"a": other}]), None))] == [1, 2]
