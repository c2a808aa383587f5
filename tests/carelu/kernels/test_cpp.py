"""What the loops on the processor refuse."""

import pytest
import torch

from carelu.kernels import cpp, panels
from carelu.kernels.autograd_function import Settings

SCALARS = (torch.tensor(0.7), torch.tensor(0.3))


def settings(*dims):
    return Settings("energy", dims, 1.5, 1e-6)


@pytest.mark.parametrize(
    ("z", "scalars", "dims", "reason"),
    [
        (torch.ones(2, 3, device="meta"), SCALARS, (1,), "the input is on meta"),
        (torch.ones(2, 3, dtype=torch.complex64), SCALARS, (1,), "does not support torch.complex64"),
        (torch.ones(2, 3), (SCALARS[0], SCALARS[1].double()), (1,), "parameters of torch.float32 and torch.float64"),
        (torch.ones(2, 6)[:, ::2], SCALARS, (1,), "not evenly spaced"),
        (torch.ones(0, 3), SCALARS, (1,), "there are none"),
    ],
)
def test_what_the_loops_cannot_compute_has_a_reason(z, scalars, dims, reason):
    assert reason in cpp.unsupported_reason(z, *scalars, settings(*dims))


def test_without_the_built_library_nothing_is_supported(monkeypatch):
    monkeypatch.setattr(cpp, "library", lambda: None)
    assert cpp.unsupported_reason(torch.ones(2, 3), *SCALARS, settings(1)) == "it could not be built"
    monkeypatch.setattr(cpp, "library", object)
    assert cpp.unsupported_reason(torch.ones(2, 3), *SCALARS, settings(1)) is None


def test_rows_that_are_not_evenly_spaced_never_reach_the_loops(monkeypatch):
    monkeypatch.setattr(panels, "built_library", lambda: pytest.fail("it would read the wrong elements"))
    with pytest.raises(ValueError, match=r"strides \(6, 2\) over \(1,\) are not evenly spaced"):
        cpp.forward(torch.ones(2, 6)[:, ::2], *SCALARS, settings(1))
