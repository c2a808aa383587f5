import pytest
import torch

from carelu.functional import carelu, reference
from carelu.kernels.autograd_function import CAReLUFunction, Settings
from carelu.kernels.build import library
from carelu.kernels.dispatch import NAMES, choose

SCALARS = (torch.tensor(0.7), torch.tensor(0.3))


def chosen(z: torch.Tensor, dims: tuple[int, ...] = (1,)) -> str:
    return choose(z, *SCALARS, Settings("energy", dims, 1.5, 1e-6)).NAME


@pytest.fixture(autouse=True)
def no_kernel_is_forced(monkeypatch):
    monkeypatch.delenv("CARELU_KERNEL", raising=False)


def test_fused_loops_compute_on_the_cpu_where_a_compiler_is():
    assert chosen(torch.ones(2, 3)) == ("torch_ops" if library() is None else "cpp")


def test_torch_ops_computes_what_the_fused_loops_cannot():
    assert chosen(torch.ones(2, 3, 4), dims=(0, 2)) == "torch_ops"


def test_every_kernel_can_be_forced(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "torch_ops")
    assert chosen(torch.ones(2, 3)) == "torch_ops"


def test_forced_reference_is_differentiated_by_torch(monkeypatch):
    z = torch.randn(2, 3, requires_grad=True)
    assert isinstance(carelu(z, *SCALARS).grad_fn, CAReLUFunction._backward_cls)

    monkeypatch.setenv("CARELU_KERNEL", "eager")

    assert not isinstance(carelu(z, *SCALARS).grad_fn, CAReLUFunction._backward_cls)
    assert torch.equal(carelu(z, *SCALARS), reference(z, *SCALARS))


def test_unknown_kernel_is_refused_with_the_accepted_ones(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "cuda")

    with pytest.raises(ValueError, match=r"CARELU_KERNEL='cuda'.*eager, cpp, torch_ops, triton"):
        carelu(torch.ones(2, 3), *SCALARS)
    assert set(NAMES) == {"eager", "torch_ops", "cpp", "triton"}


def test_former_name_of_the_torch_ops_kernel_is_accepted(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "autograd")
    assert chosen(torch.ones(2, 3)) == "torch_ops"


def test_empty_name_forces_nothing(monkeypatch):
    monkeypatch.setenv("CARELU_KERNEL", "")

    carelu(torch.ones(2, 3), *SCALARS)


def test_kernel_that_is_not_possible_is_refused_with_the_reason(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("CARELU_KERNEL", "triton")

    with pytest.raises(ValueError, match=r"CARELU_KERNEL=triton is not possible here: .* GPU.* cpu"):
        carelu(torch.ones(2, 3), *SCALARS)
