"""CAReLU on the processor by the fused loops of carelu.cpp."""

from torch import Tensor

from carelu.kernels import panels, torch_ops
from carelu.kernels.autograd_function import Saved, Settings
from carelu.kernels.build import library
from carelu.kernels.layout import side_by_side_rows_of
from carelu.kernels.panels import DTYPES

NAME: str = "cpp"


def unsupported_reason(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> str | None:
    """Why the loops do not support `z`, or None if they do."""
    if z.device.type != "cpu":
        return f"it computes on the CPU, and the input is on {z.device}"
    if z.dtype not in DTYPES or alpha.dtype not in DTYPES or alpha.dtype != beta.dtype:
        return f"it does not support {z.dtype} with parameters of {alpha.dtype} and {beta.dtype}"
    if side_by_side_rows_of(z, settings.dims) is None:
        return "the elements that compete are not evenly spaced in memory, or there are none"
    if library() is None:
        return "it could not be built"
    return None


def forward(z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    return panels.forward(z, alpha, beta, settings)


def backward(
    grad: Tensor, saved: Saved, settings: Settings, needs_grad_z: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """See `carelu.kernels.autograd_function.Kernel`."""
    if side_by_side_rows_of(saved.z, settings.dims) is None:  # hooks on saved tensors may return z in another layout
        return torch_ops.backward(grad, saved, settings, needs_grad_z)
    grad_z, _, grad_alpha, grad_beta = panels.backward(grad, saved, None, settings, needs_grad_z)
    return grad_z, grad_alpha, grad_beta
