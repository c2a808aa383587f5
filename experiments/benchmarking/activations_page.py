"""The page of `scripts/benchmark_activations.py`: its measurements as tables, with the bound of memory bandwidth."""

from collections.abc import Sequence

from experiments.analysis.numbers import ABSENT, fixed
from experiments.benchmarking.machine import Conditions
from experiments.benchmarking.operations import ACCESSES, BASELINE, COPY, SITES, Measurement, Site
from experiments.benchmarking.options import DIRECTIONS
from experiments.benchmarking.results import markdown_table
from experiments.benchmarking.targets import SUBJECT, activation_targets, geometric_mean, targets_section

RESNET = "resnet18"


def label(row: Measurement) -> str:
    """The activation, and its kernel if one was forced."""
    return f"{row.activation}({row.forced_kernel})" if row.forced_kernel else row.activation


def predicted_ratio(site: Site, element_bytes: int, cache_bytes: int) -> float:
    """CAReLU's forward and backward over ReLU's, if both are limited by memory bandwidth.

    Forward reads z twice, for the sum and for the scale, unless the sample stays in the cache of its core in between;
    backward likewise the gradient and z.
    """
    sample = site.sample_elements * element_bytes
    forward = 2 if sample <= cache_bytes else 3
    backward = 3 if 2 * sample <= cache_bytes else 5
    return (forward + backward) / ACCESSES["both"]


def page(rows: Sequence[Measurement], conditions: Conditions) -> str:
    """The page in Markdown."""
    first = rows[0]
    rounds = sorted({row.rounds for row in rows})
    parts = [
        f"# Activations by themselves: {first.device}",
        f"PyTorch {first.torch}, commit {first.git_commit[:10]}, {'/'.join(map(str, rounds))} rounds. Each round times "
        "every activation once; a ratio compares two times of one round. Shown are medians over the rounds, with "
        f"quartiles in brackets. {conditions.sentences()}",
        "`forward` is the module's call with gradients recorded, `backward` the gradients of its input and its "
        f"parameters, `both` one after the other. `{COPY}` copies such a tensor into another that exists already.",
        f"Made by\n\n```bash\n{conditions.command}\n```",
        *targets_section(activation_targets(rows, conditions.on_gpu)),
        *_resnet_means(rows),
        *_shapes(rows),
        *_beside_the_bound(rows, conditions.cache_bytes),
        *_bound(rows, conditions.cache_bytes),
    ]
    return "\n\n".join(parts) + "\n"


def _labels(rows: Sequence[Measurement]) -> list[str]:
    return [each for each in dict.fromkeys(map(label, rows)) if each != COPY]


def _settings(rows: Sequence[Measurement]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.dtype, row.layout) for row in rows))


def _resnet_means(rows: Sequence[Measurement]) -> list[str]:
    rows = [row for row in rows if row.network == RESNET and row.relu_ratio is not None]
    if not rows:
        return []
    settings, shapes = _settings(rows), len({row.shape for row in rows})
    shown = [direction for direction in reversed(DIRECTIONS) if any(row.direction == direction for row in rows)]

    def mean(name: str, setting: tuple[str, str], direction: str) -> str:
        found = [
            row.relu_ratio
            for row in rows
            if label(row) == name and (row.dtype, row.layout) == setting and row.direction == direction
        ]
        return fixed(geometric_mean(found), 2) if len(found) == shapes else ABSENT

    lines = []
    for name in _labels(rows):
        means = [[mean(name, setting, direction) for direction in shown] for setting in settings]
        lines.append([name, *(first + (f" ({', '.join(rest)})" if rest else "") for first, *rest in means)])
    return [
        f"## Time over ReLU's, geometric mean of the {shapes} shapes of ResNet-18 at batch size 128",
        shown[0] + (f" (and {', '.join(shown[1:])})" if shown[1:] else ""),
        markdown_table(["activation", *map(", ".join, settings)], lines),
    ]


def _shapes(rows: Sequence[Measurement]) -> list[str]:
    shown = DIRECTIONS[-1] if any(row.direction == DIRECTIONS[-1] for row in rows) else rows[-1].direction
    rows = [row for row in rows if row.direction == shown and row.relu_ratio is not None]
    parts = [f"## Time over ReLU's, shape by shape, {shown}"]
    for dtype, layout in _settings(rows):
        chosen = {(label(r), r.network, r.shape): r for r in rows if (r.dtype, r.layout) == (dtype, layout)}
        shapes = list(dict.fromkeys((network, shape) for _, network, shape in chosen))
        lines = [[name, *(_ratio(chosen.get((name, *shape))) for shape in shapes)] for name in _labels(rows)]
        head = ["activation", *(f"{network} {shape}" for network, shape in shapes)]
        parts += [f"{dtype}, {layout}", markdown_table(head, lines)]
    return parts


def _ratio(row: Measurement | None) -> str:
    if row is None:
        return ABSENT
    return f"{fixed(row.relu_ratio, 2)} [{fixed(row.relu_ratio_q1, 2)}, {fixed(row.relu_ratio_q3, 2)}]"


def _beside_the_bound(rows: Sequence[Measurement], cache_bytes: int | None) -> list[str]:
    both = [row for row in rows if row.direction == "both"]
    relu = {(row.network, row.shape, row.dtype, row.layout): row for row in both if row.activation == BASELINE}
    lines = []
    for row in both:
        if row.activation != SUBJECT:
            continue
        base = relu[row.network, row.shape, row.dtype, row.layout]
        lines.append(
            [
                *(f"{row.network} {row.shape}", row.dtype, row.layout, row.kernel),
                fixed(row.microseconds, 0),
                _ratio(row),
                fixed(row.microseconds_least / base.microseconds_least, 2),
                _predicted(row, cache_bytes),
                *(f"{each.copy_fraction:.0%}" for each in (row, base)),
                *(fixed(each.extra_mib, 1) for each in (row, base)),
            ]
        )
    if not lines:
        return []
    head = ["shape", "dtype", "layout", "kernel", "µs", "time / ReLU's", "least / ReLU's least", "predicted"]
    head += ["of copy bandwidth", "ReLU", "extra MiB", "ReLU"]
    return [
        f"## {SUBJECT}, beside the bound of memory bandwidth",
        markdown_table(head, lines, names=4),
    ]


def _predicted(row: Measurement, cache_bytes: int | None) -> str:
    site = next((each for each in SITES if (each.network, str(each)) == (row.network, row.shape)), None)
    if site is None or cache_bytes is None:
        return ABSENT
    return fixed(predicted_ratio(site, 4 if row.dtype == "float32" else 2, cache_bytes), 2)


def _bound(rows: Sequence[Measurement], cache_bytes: int | None) -> list[str]:
    cache = "of unknown size" if cache_bytes is None else f"of {cache_bytes / 2**10:.0f} KiB"
    return [
        "## Bound and prediction",
        "\n".join(
            [
                "- An activation must read z and write its output; its gradients read two tensors and write one. That "
                "is 2 + 3 times the bytes of z. The share of the copy's bandwidth counts only these, so 100 % is the "
                "bound and a second read shows as a loss. Small tensors stay in a cache, those of the copy too.",
                "- CAReLU needs the sum over a whole sample before it can scale any of it. It reaches ReLU's bound "
                f"where a sample stays in the cache of a core until then; here that is a cache {cache}. Where z does "
                "not fit, forward reads or writes it 3 times instead of 2; where the gradient and z together do not, "
                "backward 5 times instead of 3. `predicted` follows from that alone, for a kernel limited by memory.",
                "- PReLU and Mish are PyTorch's own, and so is their cost: no kernel of ours replaces them.",
                "- Extra memory is the peak of forward and backward beyond z and the incoming gradient. It is at least "
                "the output and the gradient of z.",
            ]
        ),
    ]
