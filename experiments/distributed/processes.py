"""Data-parallel training of one run: DistributedDataParallel under torchrun, or a single process.

Every rank builds the same model, draws the same global batches and trains on its shard of each. Gradients, metrics
and the statistics of batch normalisation are those of the global batch, so that N processes compute the same run as
one, except for rounding and for the random numbers of dropout. Rank 0 is the main process and keeps the record.
"""

import contextlib
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from experiments.distributed.sharding import WHOLE, Shard
from experiments.distributed.torchrun import HOW_TO_START, TorchrunProcess, read_torchrun
from experiments.errors import BadInput, OtherProcessFailed
from experiments.randomness import derived_seed

if TYPE_CHECKING:
    from torch.distributed import Store

T = TypeVar("T")

_RENDEZVOUS_TIMEOUT = timedelta(minutes=5)

_COLLECTIVE_TIMEOUT = timedelta(hours=2)
"""Long, because the main process may download data or write to W&B while the others wait."""

_LOST = "another process of this run is gone: it was killed or ran out of memory; the same command resumes the run"


@dataclass(frozen=True)
class Failure:
    """The exception of `rank` that ended a run; `lost` if it only shows that another process has died."""

    rank: int
    kind: str
    message: str
    traceback: str
    lost: bool = False

    @property
    def reason(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def from_outside(self) -> bool:
        """Whether the cause is outside the run: a process was killed, or stopped before training started."""
        return self.lost or self.kind == KeyboardInterrupt.__name__


class SingleProcess:
    """A run in one process, without torch.distributed."""

    size = 1
    is_main = True
    """Whether this is rank 0, which keeps the record."""
    shard = WHOLE
    device = torch.device("cpu")

    def assign_device(self, name: str) -> torch.device:
        """Sets and returns this process's device, for `trainer.device=name`."""
        self.device = torch.device(name)
        return self.device

    def parallel(self, model: nn.Module) -> nn.Module:
        """`model` wrapped for training, so that its gradients are those of the global batch."""
        return model

    def seed_step(self, seed: int, step: int) -> None:
        """Seeds the random numbers inside the model, like dropout, for a training step."""

    def all_reduce_count(self, count: int) -> int:
        """The sum of `count` over all ranks (all-reduce)."""
        return count

    def scale_loss(self, loss: Tensor, examples: int, global_batch: int) -> Tensor:
        """`loss`, a mean over this rank's `examples`, scaled so that DDP's gradients are those of the global batch."""
        return loss

    def average(self, values: dict[str, Tensor], examples: int, global_batch: int) -> dict[str, Tensor]:
        """Means over the global batch, from `values`, the means over this rank's `examples` (all-reduce)."""
        return values

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is true on any rank (all-reduce)."""
        return flags

    def barrier(self) -> None:
        """Waits until every rank has called it (barrier)."""

    def broadcast_from_main(self, action: Callable[[], T]) -> T:
        """Runs `action` on rank 0 only and returns its result on every rank (broadcast)."""
        return action()

    def assert_equal_across_ranks(self, metrics: dict[str, float]) -> dict[str, float]:
        """`metrics`, checked to be the same on all ranks."""
        return metrics

    def failure(self, error: BaseException) -> Failure:
        """The cause of the end of the run: `error`, or an earlier failure of another rank."""
        return Failure(0, type(error).__name__, str(error), "".join(traceback.format_exception(error)))

    def parent_is_gone(self) -> bool:
        """Whether torchrun has died, so that it will not stop this process."""
        return False


class DistributedProcess(SingleProcess):
    """One rank of a run in several processes.

    Flags, counts and objects go over gloo between CPUs; on GPUs, gradients, metrics and statistics go over NCCL.

    Raises:
        BadInput: the rendezvous with the other ranks failed.
    """

    def __init__(self, torchrun: TorchrunProcess):
        import torch.distributed as dist

        self._torchrun, self._dist = torchrun, dist
        self.size, self.is_main = torchrun.size, torchrun.rank == 0
        self.shard = Shard(torchrun.rank, torchrun.size)
        self._parent = os.getppid()
        self._broken = False
        try:
            store, _, _ = next(dist.rendezvous("env://", timeout=_RENDEZVOUS_TIMEOUT))
            # torchrun may keep one store over its restarts, with the addresses of dead processes.
            store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
            dist.init_process_group(
                "gloo", store=store, rank=torchrun.rank, world_size=torchrun.size, timeout=_COLLECTIVE_TIMEOUT
            )
        except (RuntimeError, ValueError) as error:
            raise BadInput(
                f"the {torchrun.size} processes of this run (WORLD_SIZE) had no rendezvous at MASTER_ADDR="
                f"{os.environ['MASTER_ADDR']} MASTER_PORT={os.environ['MASTER_PORT']}: {error}; {HOW_TO_START}"
            ) from error
        self._store: Store = dist.PrefixStore("carelu", store)
        self._device_group = dist.group.WORLD

    def assign_device(self, name: str) -> torch.device:
        """The GPU numbered by the local rank, or the CPU.

        Raises:
            BadInput: one GPU is named for all, or there are fewer GPUs than processes.
        """
        if name.startswith("cuda:"):
            raise BadInput(
                f"trainer.device={name} under torchrun: each rank takes its own GPU; accepted: auto, "
                "cuda, cpu; choose the GPUs with CUDA_VISIBLE_DEVICES=…"
            )
        if name == "cuda":
            here, number = torch.cuda.device_count(), self._torchrun.local_rank
            if any(self.any_rank(number >= here)):
                raise BadInput(
                    f"torchrun started {self._torchrun.local_size} processes on a machine with {here} GPUs; give it "
                    f"--nproc_per_node={here}, or set trainer.device=cpu"
                )
            self.device = torch.device("cuda", number)
            torch.cuda.set_device(self.device)
            self._device_group = self._dist.new_group(backend="nccl")
        return self.device

    def parallel(self, model: nn.Module) -> nn.Module:
        from torch.nn.parallel import DistributedDataParallel

        from experiments.distributed.sync_batch_norm import convert_sync_batch_norm

        self.barrier()  # over gloo, which notices a rank that has failed; NCCL would wait for it
        convert_sync_batch_norm(model, self.device, self._device_group)
        devices = None if self.device.type == "cpu" else [self.device]
        # Buffers need no broadcast: the statistics are the same on every rank.
        return DistributedDataParallel(model, devices, process_group=self._device_group, broadcast_buffers=False)

    def seed_step(self, seed: int, step: int) -> None:
        torch.manual_seed(derived_seed(seed, step, "process", self._torchrun.rank))

    def all_reduce_count(self, count: int) -> int:
        return all_reduce_sum(count)[0]

    def scale_loss(self, loss: Tensor, examples: int, global_batch: int) -> Tensor:
        return loss * (examples * self.size / global_batch)  # DDP divides by the number of ranks

    def average(self, values: dict[str, Tensor], examples: int, global_batch: int) -> dict[str, Tensor]:
        sums = torch.stack([value.double() for value in values.values()]) * examples
        self._dist.all_reduce(sums, group=self._device_group)
        return dict(zip(values, (sums / global_batch).unbind(), strict=True))

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(count > 0 for count in all_reduce_sum(torch.tensor(flags, dtype=torch.int64))[0].tolist())

    def barrier(self) -> None:
        self._dist.barrier()

    def broadcast_from_main(self, action: Callable[[], T]) -> T:
        box = [action() if self.is_main else None]
        self._dist.broadcast_object_list(box, src=0)
        return box[0]

    def assert_equal_across_ranks(self, metrics: dict[str, float]) -> dict[str, float]:
        everywhere: list[dict[str, float] | None] = [None] * self.size
        self._dist.all_gather_object(everywhere, metrics)
        if any(repr(other) != repr(metrics) for other in everywhere):
            raise RuntimeError(
                f"the ranks measured different metrics ({everywhere}); "
                "the task's evaluate must compute them from sums reduced with all_reduce_sum of experiments.distributed"
            )
        return metrics

    def failure(self, error: BaseException) -> Failure:
        self._broken = True
        with contextlib.suppress(ValueError):  # not in the main thread
            # torchrun stops all ranks when one exits; the failure is recorded and reported first.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A rank that fails reports before it exits, so a connection that breaks without a report means a kill.
        lost = isinstance(error, RuntimeError) and ("gloo" in str(error) or isinstance(error, self._dist.DistError))
        mine = replace(super().failure(error), rank=self._torchrun.rank, lost=lost)
        try:
            first = self._store.compare_set("failure", "", json.dumps(asdict(mine)))  # of all ranks
        except RuntimeError:  # the store ended with torchrun
            return mine
        return Failure(**json.loads(first))

    def parent_is_gone(self) -> bool:
        return os.getppid() != self._parent

    def shutdown(self) -> None:
        """Destroys the process group when every rank is done, as torchrun stops the others once one exits."""
        if not self._broken:
            self.barrier()
            self._dist.destroy_process_group()

    def public_error(self, error: BaseException) -> BaseException:
        """What to raise instead of `error`, so that only one rank reports what ended the run."""
        failure = self.failure(error)
        if failure.lost and failure.rank == self._torchrun.rank:
            return OtherProcessFailed(_LOST)
        if failure.rank == self._torchrun.rank and (self.is_main or not isinstance(error, BadInput)):
            return error
        if failure.kind == BadInput.__name__ and self.is_main:
            return BadInput(failure.message)
        return OtherProcessFailed("")


Processes = SingleProcess | DistributedProcess


@contextlib.contextmanager
def process_group() -> Iterator[Processes]:
    """This process as one rank of torchrun's, or as a single process.

    Raises:
        OtherProcessFailed: on every rank but the one that reports the failure.
    """
    torchrun = read_torchrun()
    if torchrun.size == 1:
        yield SingleProcess()
        return
    processes = DistributedProcess(torchrun)
    try:
        yield processes
        processes.shutdown()
    except BaseException as error:
        public = processes.public_error(error)
        if public is error:
            raise
        raise public from error


def all_reduce_sum(*sums: Tensor | int) -> tuple[Tensor | int, ...]:
    """Each of `sums` added up over all ranks; tensors are returned on the CPU.

    Every rank must call it. In a single process they are returned unchanged.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return sums
    totals = [torch.as_tensor(each).cpu().clone() for each in sums]
    for total in totals:
        torch.distributed.all_reduce(total)
    return tuple(total if isinstance(each, Tensor) else int(total) for each, total in zip(sums, totals, strict=True))
