"""Measures activations alone, at the sites of the suite's networks."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from carelu import ActivationFactory, CAReLU
from carelu.kernels.dispatch import VARIABLE as KERNEL_VARIABLE
from experiments.benchmarking.timing import interleaved, ratios, spread
from experiments.tasks.activation_sites import IMAGE_DIMS

BASELINE = "relu"
COPY = "copy"
"""Names the copy of a tensor into another, whose bandwidth the others are compared with."""
VARIANTS: dict[str, dict[str, object]] = {
    "carelu_over_channel": {"over": "channel"},
    "carelu_over_feature": {"over": "feature"},
}
"""CAReLU with other options, by the name that the table gives it: what competes decides how the loops read memory."""
ACCESSES = {"forward": 2, "backward": 3, "both": 5, COPY: 2}
"""What is timed, and how often it must read or write each element: forward reads z and writes y; backward reads the
gradient and z (or y) and writes the gradient of z; both are one after the other."""
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Site:
    """A place of an activation in a network.

    Args:
        network: its name.
        size: of the pre-activations.
        sample_dims: the dimensions that hold one input's pre-activations.
        pre_norm: whether a normalisation comes before it.
    """

    network: str
    size: tuple[int, ...]
    sample_dims: tuple[int, ...] = IMAGE_DIMS
    pre_norm: bool = False

    @property
    def sample_elements(self) -> int:
        """Elements that compete with one another."""
        return math.prod(self.size[dim] for dim in self.sample_dims)

    def __str__(self) -> str:
        return "×".join(map(str, self.size))


SITES = (
    *(Site("resnet18", (128, 64 * 2**k, 32 // 2**k, 32 // 2**k), pre_norm=True) for k in range(4)),
    Site("edsr", (16, 64, 48, 48)),  # a batch of patches, recipes standard and fast
    Site("edsr", (16, 32, 32, 32)),  # recipe small
    Site("bert", (512, 32, 1024), (2,)),  # 16,384 tokens, recipes standard and fast
    Site("bert", (128, 32, 512), (2,)),  # 4,096 tokens, recipe small
    Site("bilstm", (512, 256), (1,)),  # texts, not tokens
)


@dataclass(frozen=True)
class Measurement:
    """One row of the table; times in microseconds.

    Args:
        device, torch, git_commit: machine and code of the measurement.
        activation: its name, or "copy".
        kernel: the kernel that computed it; empty for activations with only one.
        forced_kernel: the requested kernel; empty if CAReLU chose it.
        network, shape, dtype, layout, direction: of the input, and which of `ACCESSES`.
        rounds: number of measurements, interleaved with the others.
        microseconds, microseconds_q1, microseconds_q3, microseconds_least: median, quartiles and least.
        relu_ratio, relu_ratio_q1, relu_ratio_q3: the time over that of ReLU in the same round; none for a copy.
        copy_fraction: bandwidth, counting only necessary reads and writes, over that of a copy of the same tensor in
            the same rounds.
        least_mib: necessary reads and writes, in MiB.
        extra_mib: the most memory that forward and backward take in addition to their inputs, in MiB.
    """

    device: str
    torch: str
    git_commit: str
    activation: str
    kernel: str
    forced_kernel: str
    network: str
    shape: str
    dtype: str
    layout: str
    direction: str
    rounds: int
    microseconds: float
    microseconds_q1: float
    microseconds_q3: float
    microseconds_least: float
    relu_ratio: float | None
    relu_ratio_q1: float | None
    relu_ratio_q3: float | None
    copy_fraction: float
    least_mib: float
    extra_mib: float


@dataclass(frozen=True)
class Plan:
    """What is measured: every combination of these that exists."""

    activations: Sequence[str]
    kernels: Sequence[str]
    sites: Sequence[Site]
    dtypes: Sequence[str]
    layouts: Sequence[str]
    directions: Sequence[str]
    rounds: int
    least_seconds: float

    def settings(self) -> Iterator[tuple[Site, str, str]]:
        """(site, dtype, layout), in which activations are compared; a layout needs four dimensions."""
        for site in self.sites:
            for dtype in self.dtypes:
                for layout in self.layouts if len(site.size) == 4 else ["contiguous"]:
                    yield site, dtype, layout


class Case(NamedTuple):
    """What is timed at a site."""

    activation: str
    direction: str
    kernel: str = ""
    forced_kernel: str = ""


def measure(
    plan: Plan, device: torch.device, machine: dict[str, str], note: Callable[[str], None]
) -> Iterator[list[Measurement]]:
    """Measures `plan`; yields the rows of each shape, dtype and layout as soon as they are available.

    Args:
        plan: what to measure.
        device: the device to measure.
        machine: the columns device, torch and git_commit.
        note: prints each setting before it is measured, and what cannot be measured.
    """
    for site, dtype, layout in plan.settings():
        note(f"{site.network} {site} {dtype} {layout}")
        of_setting = {"network": site.network, "shape": str(site), "dtype": dtype, "layout": layout}
        draw = torch.Generator(device).manual_seed(0)
        like = {"dtype": getattr(torch, dtype), "memory_format": MEMORY_FORMATS[layout]}
        tensors = [torch.randn(site.size, generator=draw, device=device).to(**like) for _ in range(3)]
        with kernel_environment_restored():
            calls = _calls(plan, site, tensors, note)
            memory = {case: peak_extra_bytes(call, device) for case, call in calls.items() if case.direction == "both"}
            wanted = {case: call for case, call in calls.items() if case.direction in (COPY, *plan.directions)}
            times = interleaved(wanted, plan.rounds, plan.least_seconds, device)
        tensor_bytes = tensors[0].numel() * tensors[0].element_size()
        yield [
            _row({**machine, **of_setting}, case, times, tensor_bytes, memory.get(case._replace(direction="both"), 0))
            for case in times
        ]


def _calls(
    plan: Plan, site: Site, tensors: list[Tensor], note: Callable[[str], None]
) -> dict[Case, Callable[[], object]]:
    """What is timed at a site, on three tensors: input, incoming gradient, and the input before normalisation."""
    z, gradient, before_norm = tensors
    target = torch.empty_like(z)
    calls: dict[Case, Callable[[], object]] = {Case(COPY, COPY): lambda: target.copy_(z)}
    for name in dict.fromkeys([BASELINE, *plan.activations]):
        try:
            factory = ActivationFactory("carelu" if name in VARIANTS else name, **VARIANTS.get(name, {}))
            activation = factory(site.size[site.sample_dims[0]], site.sample_dims, site.pre_norm)
        except ValueError as error:
            note(f"left out: {name}: {error}")
            continue
        activation.to(z.device)
        inputs = [z, before_norm] if getattr(activation, "needs_pre_norm", False) else [z]
        for kernel in plan.kernels if isinstance(activation, CAReLU) else [""]:
            try:
                calls.update(_directions(name, activation, inputs, gradient, kernel))
            except ValueError as error:  # this kernel does not support this input
                note(f"left out: {name} with {KERNEL_VARIABLE}={kernel}: {error}")
    return calls


def _directions(
    name: str, activation: nn.Module, inputs: list[Tensor], gradient: Tensor, kernel: str
) -> dict[Case, Callable[[], object]]:
    inputs = [each.detach().requires_grad_() for each in inputs]
    wanted = [*inputs, *activation.parameters()]

    def forward() -> Tensor:
        force_kernel(kernel)
        return activation(*inputs)

    output = forward()
    calls = {
        "forward": forward,
        "backward": lambda: torch.autograd.grad(output, wanted, gradient, retain_graph=True),
        "both": lambda: torch.autograd.grad(forward(), wanted, gradient),
    }
    used = kernel_of(output) if kernel else ""
    forced = "" if kernel == "auto" else kernel
    return {Case(name, direction, used, forced): call for direction, call in calls.items()}


def kernel_of(output: Tensor) -> str:
    """The kernel that computed an output of CAReLU, from its backward; None for the reference."""
    kernel = getattr(output.grad_fn, "kernel", None)
    return kernel.NAME if kernel else "eager"


@contextlib.contextmanager
def kernel_environment_restored() -> Iterator[None]:
    """Restores CARELU_KERNEL."""
    before = os.environ.get(KERNEL_VARIABLE)
    try:
        yield
    finally:
        force_kernel(before or "auto")


def force_kernel(kernel: str) -> None:
    """Makes CAReLU use `kernel`, one of `KERNELS`; "auto" and "" leave the choice to it."""
    if kernel in ("auto", ""):
        os.environ.pop(KERNEL_VARIABLE, None)
    else:
        os.environ[KERNEL_VARIABLE] = kernel


def _row(
    of_setting: dict[str, str], case: Case, times: dict[Case, list[float]], tensor_bytes: int, extra_bytes: int
) -> Measurement:
    taken, accesses = times[case], ACCESSES[case.direction]
    time = spread([1e6 * seconds for seconds in taken])
    baseline = times.get(Case(BASELINE, case.direction))
    ratio = spread(ratios(taken, baseline)) if baseline else None
    copy_ratio = spread(ratios(times[Case(COPY, COPY)], taken)).median
    return Measurement(
        **of_setting,
        **case._asdict(),
        rounds=len(taken),
        microseconds=time.median,
        microseconds_q1=time.low,
        microseconds_q3=time.high,
        microseconds_least=time.least,
        relu_ratio=ratio and ratio.median,
        relu_ratio_q1=ratio and ratio.low,
        relu_ratio_q3=ratio and ratio.high,
        copy_fraction=copy_ratio * accesses / ACCESSES[COPY],
        least_mib=accesses * tensor_bytes / 2**20,
        extra_mib=extra_bytes / 2**20,
    )


def peak_extra_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most memory for tensors that `call` holds at a time, its result included, in bytes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it warns if there is no GPU
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiler:
        result = call()
    del result
    allocations = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    in_use = accumulate(event.nbytes() for event in sorted(allocations, key=lambda event: event.start_ns()))
    return max(in_use, default=0)
