"""Which examples of a batch are one process's own, where several processes share a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of `count` equal shares of every batch: that of number `index`."""

    index: int = 0
    count: int = 1

    def of(self, examples: int) -> slice:
        """The share of a batch of so many examples; shares lie side by side, their sizes differ by one at most."""
        return slice(examples * self.index // self.count, examples * (self.index + 1) // self.count)


WHOLE = Shard()
"""The share of a process that works alone."""
