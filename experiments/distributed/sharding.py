"""The shard of each global batch that one rank trains on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Shard `index` of `count` equal shards of every batch."""

    index: int = 0
    count: int = 1

    def of(self, examples: int) -> slice:
        """The slice of a batch of so many examples; shards are contiguous, their sizes differ by one at most."""
        return slice(examples * self.index // self.count, examples * (self.index + 1) // self.count)


WHOLE = Shard()
"""The shard of a single process."""
