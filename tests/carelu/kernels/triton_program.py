"""Compares the Triton kernels with the reference in Triton's interpreter, which is enabled for a whole process."""

import itertools
import math
import os

os.environ["TRITON_INTERPRET"] = "1"
os.environ["CARELU_KERNEL"] = "triton"

import torch
import triton.runtime.interpreter as interpreter

from carelu.functional import SHARES, carelu, reference
from carelu.kernels import triton as kernel
from carelu.kernels import triton_loops
from carelu.kernels.autograd_function import Saved, Settings

_patch = interpreter._patch_lang_tensor


def _patch_with_index(tensor, scope):
    """Triton 3.6 takes int() of an array of one element for a loop bound, which NumPy 2.4 refuses."""
    _patch(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())


interpreter._patch_lang_tensor = _patch_with_index

# The interpreter rounds to bfloat16 towards zero.
TOLERANCES = {torch.float32: 5e-6, torch.float16: 2**-11, torch.bfloat16: 2**-7}


def compare(z: torch.Tensor, upstream: torch.Tensor, alpha: float = 0.7, beta: float = 0.3, **options) -> None:
    results = []
    for function, dtype in ((carelu, z.dtype), (reference, torch.float64)):
        leaf = z.detach().to(dtype).requires_grad_()
        parameters = [torch.tensor(value, requires_grad=True) for value in (alpha, beta)]
        output = function(leaf, *parameters, **options)
        output.backward(upstream.to(dtype))
        results.append((output, leaf.grad, *(parameter.grad for parameter in parameters)))
    for ours, expected in zip(*results, strict=True):
        scale = expected.detach().abs().nan_to_num(0).max().item()
        tolerance = TOLERANCES[z.dtype]
        torch.testing.assert_close(ours.double(), expected.double(), rtol=tolerance, atol=5e-6 * scale, equal_nan=True)
    assert results[0][0].stride() == results[1][0].stride()


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


for competition, dtype in itertools.product(sorted(SHARES), TOLERANCES):
    for shape in ((1, 1), (3, 131)):
        compare(random(*shape, dtype=dtype), random(*shape, dtype=dtype, seed=1), competition=competition)
    compare(random(2, 257, dtype=dtype), random(2, 257, dtype=dtype, seed=1), -0.9, -0.1, competition=competition)

images = random(2, 3, 4, 5).to(memory_format=torch.channels_last)
compare(images, images.flip(0))
compare(random(2, 3, 4, 5), images, over="channel")
for competition in sorted(SHARES):
    for length in (20_011, 40_003):  # several blocks; several programs a row
        compare(random(1, length), random(1, length, seed=1), competition=competition)
for magnitude in (1e-30, 1e-12, 1e12, 1e25, 1e37):
    compare(magnitude * random(2, 33).clamp(-3, 3), 1e-3 * random(2, 33, seed=1), eps=1e-30)
    compare(magnitude * random(1, 40_003).clamp(-3, 3), 1e-6 * random(1, 40_003, seed=1), eps=1e-30)
for value in (math.nan, math.inf, 0.0):
    compare(torch.where(torch.arange(99).view(3, 33) // 33 == 1, value, random(3, 33)), random(3, 33, seed=1))

for competition in sorted(SHARES):
    sparse = random(3, 33)
    sparse[:, ::3] = 0
    compare(sparse, random(3, 33, seed=1), competition=competition)
    compare(random(2, 33), random(2, 33, seed=1), 0.0, 0.0, competition=competition)  # a scale of exactly 0
    compare(1e4 * random(2, 33), random(2, 33, seed=1), competition=competition, eps=1e9)


class WritesOnes:
    """In place of the kernel that goes over the rows, of which the interpreter does only some hundred a second."""

    def __getitem__(self, grid):
        return lambda grad, z, grad_z, statistics, parts, grad_u, *others, **sizes: grad_u.fill_(1)


ROWS = 2500
triton_loops.backward_kernel = WritesOnes()
z, statistics = random(ROWS, 3), random(3, ROWS, 1)
scalars = torch.tensor(0.7), torch.tensor(0.3)
saved = Saved(z, *scalars, statistics)
_, grad_alpha, grad_beta = kernel.backward(z, saved, Settings("energy", (1,), 1.5, 1e-6), True)
assert grad_beta == ROWS, f"the gradient of beta is summed over {grad_beta} of {ROWS} rows"
torch.testing.assert_close(grad_alpha.double(), statistics[0].double().sum(), rtol=1e-5, atol=1e-3)
