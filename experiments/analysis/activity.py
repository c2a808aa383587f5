"""What an activation did to the inputs of its layers at the end of training, and whether that differs from ReLU.

The values are columns of the ledger, recorded by `experiments.training.activation_statistics`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from experiments.analysis.runs import Run

CONSTANT_SCALE = 0.02
"""Spread of the scale, as a share of its mean, below which it counts as constant.

A factor that varies by 2 % moves the output by 2 % of its norm. Activations whose scale spread by up to 1.8 %, with no
input with a negative scale, never differed from ReLU by more than two seeds do.
"""

LIKE_RELU = 0.005
"""Distance of the response from ReLU's, as a share of ReLU's norm, below which an activation counts as ReLU.

Rounding to bfloat16 alone changes a value by up to 0.4 %. GELU on inputs of size 20 is below (0.4 %), GELU on inputs
of order 1 (18 %) and Leaky ReLU with slope 0.01 (about 1 %) are above.
"""

RARELY_FLIPPED = 0.001
"""Share of inputs with a negative scale below which it counts as none: the least that three digits of % show."""


@dataclass(frozen=True)
class Activity:
    """Medians over seeds, each a share (0.01 is 1 %); None where no run recorded it.

    Args:
        scale_spread: standard deviation of the scale over inputs, over its mean; median over the layers.
        flipped: share of the inputs with a negative scale; mean over the layers.
        response_distance: ‖f(z) − relu(z)‖ / ‖relu(z)‖ over the pre-activations z; median over the layers.
    """

    scale_spread: float | None = None
    flipped: float | None = None
    response_distance: float | None = None

    @property
    def constant_scale(self) -> bool:
        """Whether the scale is one constant for all inputs, in effect."""
        return self.scale_spread is not None and self.scale_spread < CONSTANT_SCALE and not self.flips

    @property
    def flips(self) -> bool:
        """Whether the scale is negative for a number of inputs worth naming."""
        return self.flipped is not None and self.flipped >= RARELY_FLIPPED

    @property
    def like_relu(self) -> bool:
        """Whether the response is that of ReLU, in effect."""
        return self.response_distance is not None and self.response_distance < LIKE_RELU and not self.flips


ACTIVITY = tuple(Activity.__dataclass_fields__)
"""The columns of the ledger."""


def activity_of(runs: Iterable[Run]) -> Activity:
    """The activity of one activation in one setting, over its finished runs."""
    finished = [run for run in runs if run.status == "finished"]
    recorded = {name: [run.metrics[name] for run in finished if name in run.metrics] for name in ACTIVITY}
    return Activity(**{name: median(values) if values else None for name, values in recorded.items()})
