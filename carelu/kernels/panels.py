"""Calls of the loops of carelu.cpp through ctypes."""

import ctypes

import torch
from torch import Tensor

from carelu.kernels.autograd_function import COMPETITIONS, Saved, Settings
from carelu.kernels.build import built_library
from carelu.kernels.layout import Rows, laid_out_as, side_by_side_rows_of, statistics_shape

DTYPES = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3}  # as in carelu.cpp

GRAIN = 2**15
"""Smallest number of elements per thread, as in torch's own loops."""

VECTOR = 32
"""Two-byte values that a vector holds."""
STRIP = 16
"""Values of a short row for which carelu.cpp has loops of its own."""


def threads(z: Tensor) -> int:
    """In how many threads the loops run."""
    return max(1, min(torch.get_num_threads(), z.numel() // GRAIN))


class Call(ctypes.Structure):
    """The struct of the same name in arithmetic.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in Rows._fields),
        *((name, ctypes.c_void_p) for name in ("z", "measured", "grad", "y", "grad_z", "grad_measured", "statistics")),
        *((name, ctypes.c_void_p) for name in ("alpha", "beta", "grad_alpha", "grad_beta")),
        *((name, ctypes.c_double) for name in ("gain", "eps")),
        *((name, ctypes.c_int) for name in ("dtype", "competition", "parameters", "threads")),
    )


def _call(z: Tensor, settings: Settings, alpha: Tensor, **tensors: Tensor | None) -> Call:
    """A call without the pointers that are not in `tensors`.

    Raises:
        ValueError: the rows of `z` are not evenly spaced.
    """
    rows = side_by_side_rows_of(z, settings.dims)
    if rows is None:
        raise ValueError(f"the rows of a tensor of strides {z.stride()} over {settings.dims} are not evenly spaced")
    pointers = {name: None if tensor is None else tensor.data_ptr() for name, tensor in tensors.items()}
    return Call(
        *rows,
        z=z.data_ptr(),
        alpha=alpha.data_ptr(),
        gain=settings.gain,
        eps=settings.eps,
        dtype=DTYPES[z.dtype],
        competition=COMPETITIONS[settings.competition],
        parameters=DTYPES[alpha.dtype],
        threads=threads(z),
        **pointers,
    )


def _is_shorter_than_a_vector(z: Tensor, settings: Settings) -> bool:
    """Whether a row of `z` fills neither a vector of two-byte values nor a strip, so that float32 costs less."""
    rows = side_by_side_rows_of(z, settings.dims)
    if rows is None or rows.inner > 1 or z.element_size() > 2:
        return False
    return rows.length < VECTOR and rows.length != STRIP


def forward(
    z: Tensor, alpha: Tensor, beta: Tensor, settings: Settings, measured: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The output and the statistics, see `carelu.kernels.autograd_function.Kernel`.

    `measured`: what the statistics are of, in the dtype and memory format of `z`; None: of `z`.
    """
    if _is_shorter_than_a_vector(z, settings):
        output, statistics = forward(z.float(), alpha, beta, settings, None if measured is None else measured.float())
        return output.to(z.dtype), statistics
    output = torch.empty_like(z)
    wide = torch.float64 if z.dtype == torch.float64 else torch.float32
    statistics = torch.empty(statistics_shape(z.shape, settings.dims), dtype=wide)
    call = _call(z, settings, alpha, beta=beta, measured=measured, y=output, statistics=statistics)
    built_library().carelu_forward(ctypes.byref(call))
    return output, statistics


def backward(
    grad: Tensor,
    saved: Saved,
    measured: Tensor | None,
    settings: Settings,
    needs_grad_z: bool,
    needs_grad_measured: bool = False,
) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
    """The gradients of z, `measured` (each None if not needed), α and β."""
    z, alpha, beta, statistics = saved
    if _is_shorter_than_a_vector(z, settings):
        wide = None if measured is None else measured.float()
        of_z, of_measured, *of_parameters = backward(
            grad.float(), saved._replace(z=z.float()), wide, settings, needs_grad_z, needs_grad_measured
        )
        narrow = [None if each is None else each.to(z.dtype) for each in (of_z, of_measured)]
        return narrow[0], narrow[1], of_parameters[0], of_parameters[1]
    gradients = {
        "grad_z": torch.empty_like(z) if needs_grad_z else None,
        "grad_measured": torch.empty_like(z) if needs_grad_measured else None,
        "grad_alpha": torch.empty_like(alpha),
        "grad_beta": torch.empty_like(beta),
    }
    grad = laid_out_as(z, grad)  # held until the loops are done
    call = _call(z, settings, alpha, beta=beta, measured=measured, grad=grad, statistics=statistics, **gradients)
    built_library().carelu_backward(ctypes.byref(call))
    return gradients["grad_z"], gradients["grad_measured"], gradients["grad_alpha"], gradients["grad_beta"]
