"""What the loops on the processor refuse, and in how many threads they run."""

import pytest
import torch

from carelu.kernels import cpp
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
        (torch.ones(2, 3), SCALARS, (0,), "not next to each other"),
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


def test_rows_that_are_not_contiguous_never_reach_the_loops(monkeypatch):
    monkeypatch.setattr(cpp, "built_library", lambda: pytest.fail("it would read the wrong elements"))
    with pytest.raises(ValueError, match=r"strides \(3, 1\) over \(0,\) are not contiguous"):
        cpp.forward(torch.ones(2, 3), *SCALARS, settings(0))


def test_a_thread_has_enough_elements_to_pay_for_itself(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    sizes = [1, cpp.GRAIN, 2 * cpp.GRAIN, 100 * cpp.GRAIN]
    assert [cpp._threads(torch.empty(size, device="meta")) for size in sizes] == [1, 1, 2, 4]
