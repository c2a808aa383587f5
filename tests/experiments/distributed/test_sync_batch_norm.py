"""Batch normalisation over the global batch of several processes, or of one."""

import numpy as np
import pytest
import torch
from torch import nn

from experiments.distributed.processes import process_group
from experiments.distributed.sync_batch_norm import SyncBatchNorm, convert_sync_batch_norm
from tests.experiments.distributed.test_processes import in_processes

CPU = torch.device("cpu")


@pytest.fixture
def alone():
    """The group of a single process."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield torch.distributed.group.WORLD
    torch.distributed.destroy_process_group()


def images(dims=2, dtype=torch.float64):
    return torch.randn(5, 3, *[4] * dims, generator=torch.Generator().manual_seed(0), dtype=dtype)


def normalise(images, weights):
    """Batch normalisation of this process's images and the gradients of a weighted sum, in float64."""
    with process_group() as group:
        model = nn.Sequential(nn.BatchNorm2d(3).double())
        own = group.shard.of(len(images))
        x = images[own].clone().requires_grad_()
        in_training = group.parallel(model)
        output = in_training(x)
        (output * weights[own]).sum().backward()
        norm = model[0]
        buffers = [norm.running_mean, norm.running_var, norm.num_batches_tracked]
        # DDP averages the gradients over the ranks.
        gradients = [parameter.grad * group.size for parameter in norm.parameters()]
        return [each.detach().numpy() for each in (output, x.grad, *buffers, *gradients)]


@pytest.mark.slow
def test_batch_normalisation_uses_the_global_batch():
    draw = torch.Generator().manual_seed(0)
    images, weights = torch.randn(2, 5, 3, 4, 4, generator=draw, dtype=torch.float64)
    (whole,) = in_processes(1, normalise, images, weights)
    parts = in_processes(2, normalise, images, weights)
    for place, expected in enumerate(whole):
        both = [part[place] for part in parts]
        if place < 2:  # outputs and gradients of the images: each process has its own
            both = [np.concatenate(both)]
        for each in both:
            np.testing.assert_allclose(each, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("dims", "norm"), [(0, nn.BatchNorm1d), (2, nn.BatchNorm2d)])
def test_one_process_computes_what_torch_does_in_training_and_in_evaluation(alone, dims, norm, affine):
    usual, model = (nn.Sequential(norm(3, momentum=0.3, affine=affine).double()) for _ in range(2))
    convert_sync_batch_norm(model, CPU, alone)
    assert isinstance(model[0], SyncBatchNorm)
    for training in (True, True, False):
        torch.testing.assert_close(model.train(training)(images(dims)), usual.train(training)(images(dims)))
    for key, value in usual.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value)


def test_low_precision_is_normalised_in_float32(alone):
    model = nn.Sequential(nn.BatchNorm2d(3))
    convert_sync_batch_norm(model, CPU, alone)
    z = images(dtype=torch.float16) * 1000  # its squares are beyond float16
    output = model(z)
    assert output.dtype == torch.float16
    torch.testing.assert_close(output, nn.BatchNorm2d(3)(z.float()).half(), rtol=1e-2, atol=1e-2)


def test_parameters_and_mode_of_nested_modules_are_kept(alone):
    model = nn.Sequential(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())).eval()
    weight = model[0][0].weight
    convert_sync_batch_norm(model, CPU, alone)
    assert model[0][0].weight is weight
    assert not model[0][0].training
    assert isinstance(model[0][1], nn.ReLU)
