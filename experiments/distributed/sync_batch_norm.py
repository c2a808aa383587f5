"""Batch normalisation with the statistics of the global batch, of which each rank holds a shard."""

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """`nn.SyncBatchNorm` in plain tensor code, for the CPU, where torch has none. Ioffe and Szegedy, arXiv 1502.03167.

    It replaces a batch normalisation of any number of dimensions, with running statistics and a momentum, and
    keeps its parameters and buffers.
    """

    def __init__(self, replaced: _BatchNorm, group: ProcessGroup):
        super().__init__(replaced.num_features, replaced.eps, replaced.momentum, replaced.affine, True)
        self._parameters, self._buffers, self.training = replaced._parameters, replaced._buffers, replaced.training
        self.group = group

    def _check_input_dim(self, input: Tensor) -> None: ...

    def forward(self, input: Tensor) -> Tensor:
        """`input` N×C×…, normalised by the mean and variance of each channel over the global batch."""
        if not self.training:
            return super().forward(input)
        dims = [dim for dim in range(input.ndim) if dim != 1]
        shape = [-1 if dim == 1 else 1 for dim in range(input.ndim)]
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        count = all_reduce(x.new_tensor(x.numel() // x.shape[1]), group=self.group)
        mean = all_reduce(x.sum(dims), group=self.group) / count
        centred = x - mean.view(shape)
        variance = all_reduce(centred.square().sum(dims), group=self.group) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)


def convert_sync_batch_norm(model: nn.Module, device: torch.device, group: ProcessGroup) -> None:
    """Makes every batch normalisation inside `model`, which is on `device`, use the global batch of `group`."""
    if device.type != "cpu":
        nn.SyncBatchNorm.convert_sync_batchnorm(model, group)
        return
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, SyncBatchNorm(child, group))
