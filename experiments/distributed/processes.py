"""The processes that train one run together (DistributedDataParallel under torchrun), and the one that trains alone.

Every process builds the same model and draws the same batches, and trains on its share of each. Gradients,
metrics and the statistics of batch normalisation are those of the whole batch, so that a run in N processes is that
of one process but for rounding, and for the draws of dropout. The first process alone keeps the record.
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

_MEETING = timedelta(minutes=5)
"""How long the processes wait at the start until all are there."""

_PATIENCE = timedelta(hours=2)
"""How long a process waits for another later on: one may fetch data, or write to W&B, while the others wait."""

_LOST = "another process of this run is gone: it was killed or ran out of memory; the same command goes on"


@dataclass(frozen=True)
class Failure:
    """What ended a run: an exception of the process `rank`; `lost` if all it says is that another is gone."""

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
        """Whether the run itself did nothing wrong: a process was killed, or stopped before it began to train."""
        return self.lost or self.kind == KeyboardInterrupt.__name__


class SingleProcess:
    """The process that trains a run alone; it never touches torch.distributed."""

    size = 1
    is_main = True
    """Whether this process keeps the record."""
    shard = WHOLE
    device = torch.device("cpu")

    def assign_device(self, name: str) -> torch.device:
        """Settles `device`, that of this process, where `trainer.device` is `name`."""
        self.device = torch.device(name)
        return self.device

    def parallel(self, model: nn.Module) -> nn.Module:
        """What to call in training in place of `model`, so that its gradients are those of the whole batch."""
        return model

    def seed_step(self, seed: int, step: int) -> None:
        """Prepares the draws inside of the model, like dropout, for a step of training."""

    def total(self, count: int) -> int:
        """The sum of `count` over all processes."""
        return count

    def weighted(self, loss: Tensor, examples: int, whole: int) -> Tensor:
        """`loss`, a mean over `examples`, by its weight in a batch of `whole` examples."""
        return loss

    def mean(self, values: dict[str, Tensor], examples: int, whole: int) -> dict[str, Tensor]:
        """Means over the `whole` batch of `values`, means over the `examples` of this process."""
        return values

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is true in any process."""
        return flags

    def wait(self) -> None:
        """Returns when every process has come here."""

    def broadcast_from_main(self, action: Callable[[], T]) -> T:
        """What `action` returns in the first process."""
        return action()

    def assert_equal_across_ranks(self, metrics: dict[str, float]) -> dict[str, float]:
        """`metrics`, which must be the same in all processes."""
        return metrics

    def failure(self, error: BaseException) -> Failure:
        """What ended the run: `error`, or in its place what went wrong before in another process."""
        return Failure(0, type(error).__name__, str(error), "".join(traceback.format_exception(error)))

    def parent_is_gone(self) -> bool:
        """Whether torchrun is gone, and with it whoever would stop this process."""
        return False


class DistributedProcess(SingleProcess):
    """One of several processes that train a run together.

    What is small and what decides goes over gloo between CPUs; gradients, metrics and statistics go over NCCL
    where the run is on GPUs.

    Raises:
        BadInput: the others are not there.
    """

    def __init__(self, launch: TorchrunProcess):
        import torch.distributed as dist

        self._launch, self._dist = launch, dist
        self.size, self.is_main = launch.size, launch.rank == 0
        self.shard = Shard(launch.rank, launch.size)
        self._parent = os.getppid()
        self._broken = False
        try:
            store, _, _ = next(dist.rendezvous("env://", timeout=_MEETING))
            # torchrun may keep one store over its restarts, with the addresses of processes that are gone.
            store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
            dist.init_process_group("gloo", store=store, rank=launch.rank, world_size=launch.size, timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise BadInput(
                f"the {launch.size} processes of this run (WORLD_SIZE) could not meet at MASTER_ADDR="
                f"{os.environ['MASTER_ADDR']} MASTER_PORT={os.environ['MASTER_PORT']}: {error}; {HOW_TO_START}"
            ) from error
        self._store: Store = dist.PrefixStore("carelu", store)
        self._device_group = dist.group.WORLD

    def assign_device(self, name: str) -> torch.device:
        """The GPU of this process's number on its machine, or the CPU.

        Raises:
            BadInput: one GPU is named for all, or there are fewer GPUs than processes.
        """
        if name.startswith("cuda:"):
            raise BadInput(
                f"trainer.device={name} under torchrun: each of its processes takes a GPU of its own; accepted: auto, "
                "cuda, cpu; choose the GPUs with CUDA_VISIBLE_DEVICES=…"
            )
        if name == "cuda":
            here, number = torch.cuda.device_count(), self._launch.local_rank
            if any(self.any_rank(number >= here)):
                raise BadInput(
                    f"torchrun started {self._launch.local_size} processes on a machine with {here} GPUs; give it "
                    f"--nproc_per_node={here}, or set trainer.device=cpu"
                )
            self.device = torch.device("cuda", number)
            torch.cuda.set_device(self.device)
            self._device_group = self._dist.new_group(backend="nccl")
        return self.device

    def parallel(self, model: nn.Module) -> nn.Module:
        from torch.nn.parallel import DistributedDataParallel

        from experiments.distributed.sync_batch_norm import convert_sync_batch_norm

        self.wait()  # whoever failed so far is missed here, over gloo; on a GPU it would be waited for in vain
        convert_sync_batch_norm(model, self.device, self._device_group)
        devices = None if self.device.type == "cpu" else [self.device]
        # Buffers need no broadcast: the statistics are the same in every process.
        return DistributedDataParallel(model, devices, process_group=self._device_group, broadcast_buffers=False)

    def seed_step(self, seed: int, step: int) -> None:
        torch.manual_seed(derived_seed(seed, step, "process", self._launch.rank))

    def total(self, count: int) -> int:
        return all_reduce_sum(count)[0]

    def weighted(self, loss: Tensor, examples: int, whole: int) -> Tensor:
        return loss * (examples * self.size / whole)  # DistributedDataParallel divides by the number of processes

    def mean(self, values: dict[str, Tensor], examples: int, whole: int) -> dict[str, Tensor]:
        sums = torch.stack([value.double() for value in values.values()]) * examples
        self._dist.all_reduce(sums, group=self._device_group)
        return dict(zip(values, (sums / whole).unbind(), strict=True))

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(count > 0 for count in all_reduce_sum(torch.tensor(flags, dtype=torch.int64))[0].tolist())

    def wait(self) -> None:
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
                f"the processes measured different metrics ({everywhere}); "
                "the task's evaluate must make them of sums that went through all_reduce_sum of experiments.distributed"
            )
        return metrics

    def failure(self, error: BaseException) -> Failure:
        self._broken = True
        with contextlib.suppress(ValueError):  # not in the main thread
            # torchrun stops all processes when it sees one leave; what there is to record and to say comes first.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # A process says what is wrong before it leaves, so one that breaks off without a word was killed.
        lost = isinstance(error, RuntimeError) and ("gloo" in str(error) or isinstance(error, self._dist.DistError))
        mine = replace(super().failure(error), rank=self._launch.rank, lost=lost)
        try:
            said = self._store.compare_set("failure", "", json.dumps(asdict(mine)))  # the first to speak is heard
        except RuntimeError:  # the store went away with torchrun
            return mine
        return Failure(**json.loads(said))

    def parent_is_gone(self) -> bool:
        return os.getppid() != self._parent

    def leave(self) -> None:
        """Ends the work together once every process has come here, so that none is stopped before it is done."""
        if not self._broken:
            self.wait()
            self._dist.destroy_process_group()

    def explained(self, error: BaseException) -> BaseException:
        """What to raise in place of `error`, so that one process tells the person what ended the run."""
        failure = self.failure(error)
        if failure.lost and failure.rank == self._launch.rank:
            return OtherProcessFailed(_LOST)
        if failure.rank == self._launch.rank and (self.is_main or not isinstance(error, BadInput)):
            return error
        if failure.kind == BadInput.__name__ and self.is_main:
            return BadInput(failure.message)
        return OtherProcessFailed("")


Processes = SingleProcess | DistributedProcess


@contextlib.contextmanager
def process_group() -> Iterator[Processes]:
    """The processes that torchrun started for this run, or the one that there is.

    Raises:
        OtherProcessFailed: in all processes but the one that tells the person what went wrong.
    """
    launch = read_torchrun()
    if launch.size == 1:
        yield SingleProcess()
        return
    processes = DistributedProcess(launch)
    try:
        yield processes
        processes.leave()
    except BaseException as error:
        explained = processes.explained(error)
        if explained is error:
            raise
        raise explained from error


def all_reduce_sum(*sums: Tensor | int) -> tuple[Tensor | int, ...]:
    """Sums over some of the data, added up over all processes; tensors come back on the CPU.

    To be called by every process of the run. In a run of one process they are returned as they are.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return sums
    totals = [torch.as_tensor(each).cpu().clone() for each in sums]
    for total in totals:
        torch.distributed.all_reduce(total)
    return tuple(total if isinstance(each, Tensor) else int(total) for each, total in zip(sums, totals, strict=True))
