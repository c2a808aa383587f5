"""What is particular to the kernel in plain PyTorch: blocks of rows, and what it saves."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from carelu import reference
from carelu.functional import carelu
from carelu.kernels import torch_ops
from carelu.kernels.autograd_function import Saved, Settings

ALPHA, BETA, GAIN, EPS = torch.tensor(0.7), torch.tensor(-0.3), 1.5, 0.5
every_competition = pytest.mark.parametrize("competition", ["energy", "l1", "count"])


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def both_ways(z, upstream, competition, dims):
    """Output, statistics and gradients."""
    settings = Settings(competition, dims, GAIN, EPS)
    output, statistics = torch_ops.forward(z, ALPHA, BETA, settings)
    gradients = torch_ops.backward(upstream, Saved(z, ALPHA, BETA, statistics), settings, needs_grad_z=True)
    return output, statistics, *gradients


@every_competition
@pytest.mark.parametrize("block", [1, 14])
def test_the_result_is_the_same_in_blocks_of_any_number_of_rows(monkeypatch, competition, block):
    z, upstream = random(5, 7), random(5, 7, seed=1)
    whole = both_ways(z, upstream, competition, (1,))
    monkeypatch.setattr(torch_ops, "BLOCK", block)
    for part, expected in zip(both_ways(z, upstream, competition, (1,)), whole, strict=True):
        torch.testing.assert_close(part, expected)


@every_competition
def test_competition_across_memory_gives_the_result_of_neighbours(competition):
    z, upstream = random(5, 7), random(5, 7, seed=1)
    output, statistics, grad_z, *of_parameters = both_ways(z.T.contiguous(), upstream.T, competition, (0,))
    across = (output.T, statistics.transpose(1, 2), grad_z.T, *of_parameters)
    for part, expected in zip(across, both_ways(z, upstream, competition, (1,)), strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("factor", [1.0, 1e25])
@pytest.mark.parametrize(("competition", "power"), [("energy", 2), ("l1", 1)])
def test_norm_and_unit_hold_the_norm_of_a_row_in_the_range_of_float32(competition, power, factor):
    z = random(3, 6) * factor
    _, (share, norm, unit) = torch_ops.forward(z, ALPHA, BETA, Settings(competition, (1,), GAIN, EPS))
    wide = z.double().abs() ** power
    expected = wide.sum(1, keepdim=True) + EPS
    torch.testing.assert_close(norm.double() * unit.double() ** power, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(share.double(), wide.where(z > 0, 0).sum(1, keepdim=True) / expected, rtol=1e-6, atol=0)


def test_the_gradient_of_the_input_is_left_out_where_nobody_needs_it():
    z, settings = random(2, 3), Settings("energy", (1,), GAIN, EPS)
    saved = Saved(z, ALPHA, BETA, torch_ops.forward(z, ALPHA, BETA, settings)[1])
    needed = torch_ops.backward(z, saved, settings, needs_grad_z=True)
    grad_z, *of_parameters = torch_ops.backward(z, saved, settings, needs_grad_z=False)
    assert grad_z is None
    assert of_parameters == list(needed[1:])


class DoublesMade(TorchDispatchMode):
    """Which operations make float64."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if any(isinstance(each, torch.Tensor) and each.dtype == torch.float64 for each in tree_leaves(result)):
            self.names.append(str(function))
        return result


@every_competition
@pytest.mark.parametrize("widest", [torch.float32, torch.float64], ids=str)
def test_float64_is_used_only_where_the_device_has_it(monkeypatch, competition, widest):
    for module in (torch_ops, reference):
        monkeypatch.setattr(module, "widest", lambda device: widest)
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops")
    z = random(3, 5).requires_grad_()

    output = carelu(z, 0.7, 0.3, competition=competition)
    with DoublesMade() as made:
        output.sum().backward()

    assert (made.names == []) == (widest == torch.float32), made.names


def test_a_gpu_of_apple_has_no_float64():
    assert reference.widest(torch.device("mps")) == torch.float32
    assert reference.widest(torch.device("cuda")) == reference.widest(torch.device("cpu")) == torch.float64
