"""Follows, through one forward pass, which dimension of each tensor holds its channels.

A convolution writes them to dimension 1, a linear layer to the last; everything in between keeps, moves or loses them.
A site whose input is unknown learns its dimension from the next layer that reads its output.
"""

import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

CONVOLUTIONS = {
    "conv1d": 1,
    "conv2d": 2,
    "conv3d": 3,
    "conv_transpose1d": 1,
    "conv_transpose2d": 2,
    "conv_transpose3d": 3,
}
"""Names of functions and their spatial dimensions."""

FEATURES_LAST = frozenset(
    (
        *("linear", "bilinear", "addmm", "mm", "matmul", "__matmul__", "__rmatmul__", "embedding", "embedding_bag"),
        *("layer_norm", "rms_norm", "multi_head_attention_forward", "scaled_dot_product_attention"),
        *("lstm", "gru", "rnn_tanh", "rnn_relu"),
    )
)
CHANNELS_SECOND = frozenset(["batch_norm", "group_norm", "instance_norm"])
REORDERING = frozenset(["permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t", "__get__"])
RESHAPING = frozenset(["reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"])


class Origin:
    """What is known of the channels of a tensor, and who waits to learn it."""

    def __init__(self, dim: int | None = None):
        self.dim = dim
        self.waiting: list[Callable[[int], None]] = []

    def learn(self, dim: int) -> None:
        """Tells everyone who waits that the channels are in `dim`."""
        if self.dim is None:
            self.dim = dim
            for tell in self.waiting:
                tell(dim)


class Channels:
    """The origin of every tensor of one forward pass that is still alive."""

    def __init__(self) -> None:
        self._origins: dict[int, tuple[weakref.ref, Origin]] = {}

    def of(self, tensor: Tensor) -> Origin:
        """The origin of `tensor`; a new one, without a dimension, if nothing is known."""
        return self._known(tensor) or self.set(tensor, Origin())

    def set(self, tensor: Tensor, origin: Origin) -> Origin:
        """Notes that `tensor` has this origin."""
        self._origins[id(tensor)] = (weakref.ref(tensor), origin)
        return origin

    def _known(self, tensor: Tensor) -> Origin | None:
        reference, origin = self._origins.get(id(tensor), (None, None))
        return origin if reference is not None and reference() is tensor else None

    def follow(self, function: Callable, args: tuple, kwargs: dict, result: object) -> None:
        """Notes what `result = function(*args, **kwargs)` says of the tensors in it."""
        name = getattr(function, "__name__", "")
        sources, outputs = list(tensors_in((args, kwargs))), list(tensors_in(result))
        if not sources or not outputs:
            return
        if name in CONVOLUTIONS:
            self._produced(sources[0], outputs, lambda ndim: ndim - CONVOLUTIONS[name] - 1)
        elif name in FEATURES_LAST:
            read = sources[1] if name == "addmm" and len(sources) > 1 else sources[0]
            self._produced(read, outputs, lambda ndim: ndim - 1)
        elif name in CHANNELS_SECOND:
            self._produced(sources[0], outputs, lambda ndim: 1)
        else:
            self._passed_on(function, name, args, kwargs, sources, outputs)

    def _produced(self, source: Tensor, outputs: list[Tensor], dim_of: Callable[[int], int]) -> None:
        self.of(source).learn(dim_of(source.ndim))
        for output in outputs:
            if output.ndim:
                self.set(output, Origin(dim_of(output.ndim)))

    def _passed_on(
        self, function: Callable, name: str, args: tuple, kwargs: dict, sources: list[Tensor], outputs: list[Tensor]
    ) -> None:
        known = [(source, origin) for source in sources if (origin := self._known(source)) is not None]
        if not known:
            return
        source, origin = max(known, key=lambda each: (each[0].ndim, each[1].dim is not None))
        for output in outputs:
            if output is source:
                continue
            if name in REORDERING and output.ndim == source.ndim:
                self.set(output, Origin(_moved(function, args, kwargs, source, origin.dim)))
            elif output.ndim == source.ndim and name not in RESHAPING:
                self.set(output, origin)
            else:
                self.set(output, Origin(_reshaped(source.shape, output.shape, origin.dim)))


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from tensors_in(each)


def _moved(function: Callable, args: tuple, kwargs: dict, source: Tensor, dim: int | None) -> int | None:
    """Where a reordering function puts dimension `dim`, tried on a tensor whose sizes are all different."""
    if dim is None or not args or args[0] is not source:
        return None
    probe = torch.empty([2 + index for index in range(source.ndim)], device="meta")
    moved = function(probe, *args[1:], **kwargs)
    return list(moved.shape).index(2 + dim) if isinstance(moved, Tensor) else None


def _reshaped(before: torch.Size, after: torch.Size, dim: int | None) -> int | None:
    """Where dimension `dim` is after a function that changed the shape, or None."""
    if dim is None or not after:
        return None
    behind = len(before) - dim
    if len(after) >= behind and before[dim:] == after[len(after) - behind :]:
        return len(after) - behind
    if before[: dim + 1] == after[: dim + 1]:
        return dim
    return 1 if len(after) == 2 else None
