import pytest
import torch

from carelu.functional import carelu, reference
from carelu.kernels import triton
from carelu.kernels.autograd_function import Settings

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def unsupported_reason(z: torch.Tensor, dims: tuple[int, ...] = (1,)) -> str | None:
    return triton.unsupported_reason(z, torch.tensor(0.7), torch.tensor(0.3), Settings("energy", dims, 1.5, 1e-6))


def test_what_triton_cannot_compute_has_a_reason(monkeypatch):
    assert "GPU" in unsupported_reason(torch.ones(2, 3))

    monkeypatch.setenv("TRITON_INTERPRET", "1")

    assert "float64" in unsupported_reason(torch.ones(2, 3, dtype=torch.float64))
    assert "next to each other" in unsupported_reason(torch.ones(2, 3), dims=(0,))
    monkeypatch.setattr(triton, "LONGEST_ROW", 2)
    assert "more than 2" in unsupported_reason(torch.ones(2, 3))


@pytest.mark.parametrize("processors", [1, 4, 132])
@pytest.mark.parametrize("rows", [1, 2, 16, 127, 10**6])
@pytest.mark.parametrize("length", [1, 100, 16384, 65536, 10**7])
def test_every_program_has_work_and_few_rows_are_split(monkeypatch, processors, rows, length):
    monkeypatch.setattr(triton, "_multiprocessors", lambda device: processors)

    (programs, splits), sizes = triton._grid(torch.empty(0), rows, length)

    assert programs == rows and splits == sizes["SPLITS"]
    assert splits & (splits - 1) == 0 and sizes["BLOCK"] & (sizes["BLOCK"] - 1) == 0
    assert splits == 1 or (rows * splits <= 2 * processors and sizes["BLOCK"] * splits <= length)


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("competition", ["energy", "l1", "count"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 5, 7, 11), (128, 64, 32, 32), (2, 64, 96, 96)], ids=str)
def test_kernels_equal_the_reference_on_a_gpu(dtype, competition, memory_format, shape):
    z = torch.randn(shape, device="cuda", dtype=dtype).to(memory_format=memory_format)
    upstream = torch.randn_like(z)
    results = []
    for function, precision in ((carelu, dtype), (reference, torch.float64)):
        leaf = z.to(precision).requires_grad_()
        parameters = [torch.tensor(value, device="cuda", requires_grad=True) for value in (0.7, 0.3)]
        output = function(leaf, *parameters, competition=competition)
        output.backward(upstream.to(precision))
        results.append([value.double() for value in (output, leaf.grad, *(parameter.grad for parameter in parameters))])

    tolerance = max(torch.finfo(dtype).eps, 5e-6)
    size = (upstream.double() * z.double()).abs().sum().item()
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=5e-6 * (size if expected.ndim == 0 else 5))


@needs_gpu
def test_result_on_a_gpu_is_the_same_every_time():
    z = torch.randn(16, 64, 48, 48, device="cuda")
    alpha, beta = (torch.tensor(value, device="cuda", requires_grad=True) for value in (0.7, 0.3))
    gradients = [torch.autograd.grad(carelu(z, alpha, beta).square().sum(), (alpha, beta)) for _ in range(5)]

    assert all(torch.equal(a, b) for other in gradients[1:] for a, b in zip(gradients[0], other, strict=True))
