"""Results of single examples in the form in which a run keeps them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Batch = TypeVar("Batch")


def classified(
    batches: Iterable[Batch],
    outcome: Callable[[Batch], tuple[Tensor, Tensor]],
    classes: int,
    places: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """The predicted class of each example, and whether it is the right one.

    Args:
        batches: the batches.
        outcome: (the predicted class, the right class) of each example of a batch, int64 N.
        classes: how many there are.
        places: the place in the data of each example, in the order of the batches; None: that order.

    Returns:
        `predicted`: int16, or int32 where there are more classes than it holds; `correct`: bool.
    """
    outcomes = [outcome(batch) for batch in batches]
    chosen, right = (torch.cat(each).cpu().numpy() for each in zip(*outcomes, strict=True))
    dtype = np.int16 if classes <= np.iinfo(np.int16).max else np.int32
    return {"predicted": in_data_order(chosen.astype(dtype), places), "correct": in_data_order(chosen == right, places)}


def in_data_order(values: np.ndarray, places: np.ndarray | None) -> np.ndarray:
    """`values` sorted by `places`, the place in the data of each; unchanged for None."""
    return values if places is None else values[np.argsort(places)]
