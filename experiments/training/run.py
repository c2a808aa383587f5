"""The whole life of one run: settle, identify, find what is already there, train, record."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from carelu import ActivationFactory
from experiments.configuration.identity import Identity, identify
from experiments.configuration.schema import Config, validate
from experiments.distributed.processes import Processes, process_group
from experiments.distributed.torchrun import read_torchrun
from experiments.errors import BadInput
from experiments.files import write_atomically
from experiments.randomness import seed_everything
from experiments.record import checkpoint, ledger
from experiments.record.environment import describe, peak_memory_mib, reset_peak_memory
from experiments.record.run_directory import TRACEBACK, ReadOnlyRunDirectory, RunDirectory
from experiments.record.tracking import build_mirror
from experiments.tasks.activation_sites import activate
from experiments.tasks.contract import Splits, Task, build_task
from experiments.training.console import Display
from experiments.training.engine import Diverged, Engine, Interrupted
from experiments.training.optimizer import build_optimizer
from experiments.training.resolution import resolve_auto
from experiments.training.signals import StopRequested, stop_requests

FINAL = ("finished", "diverged")
"""The states of a run that asking again does not change; a failed one is tried again."""

RESUME_REQUIRES = ("code_hash", "torch", "processes", "device")
"""What must be as it was for an interrupted run to go on."""

NO_METRIC = ("epoch", "step", "learning_rate", "seconds", "activations")
"""Fields of a record of metrics.jsonl that are no metrics of the model."""


@dataclass(frozen=True)
class Outcome:
    """How a request for a run ended: its result, or None if a signal stopped it before the end."""

    identity: Identity
    result: dict[str, object] | None
    again: bool
    """Whether the result was there before."""
    resumed: bool = False
    """Whether it went on from a checkpoint."""


def perform(
    cfg: DictConfig | Config,
    choices: dict[str, str],
    display: Display,
    make_task: Callable[[Config], Task] = build_task,
) -> Outcome:
    """Brings the run that `cfg` describes to its end, from wherever it stands.

    Args:
        cfg: the composed configuration.
        choices: the option chosen in each Hydra group.
        display: the terminal.
        make_task: builds the task; a benchmark puts a paced one in its place.

    Raises:
        BadInput: something that the user must mend; nothing finished is lost.
        OtherProcessFailed: several processes share the run, and one of them tells the person what went wrong.
    """
    with process_group() as processes:
        return _perform(validate(cfg), choices, processes, display, make_task)


def _perform(
    cfg: Config,
    choices: dict[str, str],
    processes: Processes,
    display: Display,
    make_task: Callable[[Config], Task],
) -> Outcome:
    cfg = resolve_auto(cfg)
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    activation = _activation(cfg)
    device = processes.assign_device(cfg.trainer.device)
    identity = identify(cfg, choices)
    identity = replace(identity, command=read_torchrun().command(identity.command))
    directory = (RunDirectory if processes.is_main else ReadOnlyRunDirectory)(identity.directory)
    directory.create()
    module = type(activation.stand_alone())
    environment = describe(device, processes.size, task_package=cfg.task.package, activation=module)
    with directory.lock():
        # What lies there decides, and it is the first process that looks.
        restart = processes.broadcast_from_main(lambda: cfg.force and not directory.restart_under_way())
        result = processes.broadcast_from_main(lambda: None if restart else directory.result())
        again, resumed = result is not None and result["status"] in FINAL, False
        if again:
            _note_other_code(directory, environment, display)
        else:
            saved = processes.broadcast_from_main(
                lambda: None if restart else _saved_state(directory, identity, environment)
            )
            resumed = saved is not None
            task = make_task(cfg)
            result = _run(cfg, identity, activation, task, processes, directory, environment, saved, display)
        if result and processes.is_main:
            ledger.record(Path(cfg.output_root) / "ledger.csv", result)
    return Outcome(identity, result, again, resumed)


def _activation(cfg: Config) -> ActivationFactory:
    options = cfg.act.options
    try:
        factory = ActivationFactory(cfg.act.name, **options)
        # Some options are looked at only when the activation is used.
        module, images = factory(channels=4, sample_dims=(1, 2, 3), pre_norm=True), torch.zeros(2, 4, 2, 2)
        activate(module, images, pre_norm=images)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        raise BadInput(f"act={cfg.act.name} with act.options={options} is not accepted: {error}") from error
    return factory


def _note_other_code(directory: RunDirectory, environment: dict[str, object], display: Display) -> None:
    then = directory.environment()
    if then and then["code_hash"] != environment["code_hash"]:
        display.note(
            f"note: this result is from other code (commit {then['git_commit'][:10]}); force=true runs it again"
        )


def _saved_state(
    directory: RunDirectory, identity: Identity, environment: dict[str, object]
) -> dict[str, object] | None:
    """The checkpoint to go on from, or None for a fresh start."""
    if not directory.checkpoint.exists():
        return None
    content = checkpoint.load(directory.checkpoint)
    if content["run_id"] != identity.run_id:
        raise BadInput(
            f"{directory.checkpoint} belongs to the run {content['run_id']}, not to {identity.run_id}; "
            "move it away, or add force=true to start again"
        )
    then = directory.environment() or {}
    for key in RESUME_REQUIRES:
        if then.get(key) != environment[key]:
            raise BadInput(
                f"{directory.path} was begun with {key} {then.get(key)} (commit {then.get('git_commit')}) and cannot "
                f"go on with {key} {environment[key]}; go back to that, or add force=true to start again"
            )
    return content


def _run(
    cfg: Config,
    identity: Identity,
    activation: ActivationFactory,
    task: Task,
    processes: Processes,
    directory: RunDirectory,
    environment: dict[str, object],
    saved: dict[str, object] | None,
    display: Display,
) -> dict[str, object] | None:
    """Trains and writes the result; None if a signal stopped it."""
    device = processes.device
    reset_peak_memory(device)
    seed_everything(cfg.seed)
    model = _model(task, cfg, activation).to(device)
    if cfg.trainer.channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, cfg.optim)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    splits = task.build_data(cfg, device)
    _refuse_small_batches(splits, processes)
    engine = Engine(cfg, identity.run_id, task, splits, model, optimizer, processes, directory, display)
    if saved:
        engine.restore(saved)
        environment = directory.environment()
    else:
        if cfg.force:
            directory.set_aside()
        directory.begin(cfg, environment)
    resumed_at = f"at step {engine.counters.steps:,} of {engine.total_steps:,}" if saved else ""
    display.header(identity, parameters, environment["device"], cfg.trainer.precision, resumed_at)
    for note in splits.notes:
        display.note(f"note: {note}")
    wandb_id = saved["wandb_id"] if saved else None
    if processes.is_main:
        engine.mirror = build_mirror(cfg, identity, environment, directory.path, wandb_id, display.note)
    with stop_requests(processes.parent_is_gone) as stop_requested:  # also while the end is recorded
        ending = _train(engine, stop_requested)
        if ending is None:
            engine.mirror.finish(None)
            done, total = engine.counters.steps, engine.total_steps
            display.note(f"stopped at step {done:,} of {total:,}; the same command goes on")
            return None
        result = _result(cfg, identity, environment, task, engine, parameters, *ending)
        directory.finish(result)
        engine.mirror.finish(result)
    return result


def _train(engine: Engine, stop_requested: StopRequested) -> tuple[str, str] | None:
    """Trains; returns the status of the run and its reason, or None if it was stopped before its end."""
    directory = engine.directory
    try:
        engine.train(stop_requested)
    except Interrupted:
        return None
    except Diverged as error:
        kept = "checkpoint.pt holds the last good state" if directory.checkpoint.exists() else "before any checkpoint"
        return "diverged", f"{error}; {kept}"
    except BadInput:
        engine.mirror.finish(None)
        raise
    except Exception as error:
        failure = engine.processes.failure(error)
        if failure.from_outside or not engine.processes.is_main:
            engine.mirror.finish(None)
            raise
        trace = directory.path / TRACEBACK
        write_atomically(trace, failure.traceback.encode())
        return "failed", f"{failure.reason} (see {trace})"
    return "finished", ""


def _refuse_small_batches(splits: Splits, processes: Processes) -> None:
    if splits.train.smallest < processes.size:
        raise BadInput(
            f"the smallest batch of an epoch has {splits.train.smallest} examples, too few for {processes.size} "
            f"processes; give torchrun --nproc_per_node={splits.train.smallest} or less, or set trainer.batch_size "
            "(text: data.tokens_per_batch) so that no batch is so small"
        )


def _model(task: Task, cfg: Config, activation: ActivationFactory) -> nn.Module:
    try:
        return task.build_model(cfg, activation)
    except (ValueError, ImportError) as error:
        raise BadInput(f"model={cfg.model.name} with act={cfg.act.name} cannot be built: {error}") from error


def _whole_if_so(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _result(
    cfg: Config,
    identity: Identity,
    environment: dict[str, object],
    task: Task,
    engine: Engine,
    parameters: int,
    status: str,
    reason: str,
) -> dict[str, object]:
    counters = engine.counters
    metric, higher_is_better = task.headline
    result = {key: value for key, value in asdict(identity).items() if key in ledger.COLUMNS}
    result.update(
        status=status,
        reason=reason,
        headline_metric=metric,
        headline_value=None,
        parameters=parameters,
        epochs=_whole_if_so(round(counters.steps / engine.steps_per_epoch, 3)),
        steps=counters.steps,
        wall_seconds=round(counters.wall_seconds, 3),
        step_milliseconds=round(1000 * counters.train_seconds / max(1, counters.steps), 3),
        peak_memory_mib=round(max(counters.peak_memory_mib, peak_memory_mib(engine.device)), 1),
        precision=cfg.trainer.precision,
        finished_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    if engine.splits.notes:
        result["notes"] = list(engine.splits.notes)
    result.update({key: environment[key] for key in ("device", "git_commit", "git_dirty", "python", "torch")})
    if status == "finished":
        evaluated = [record for record in counters.history if metric in record]
        chosen = evaluated[-1]
        if cfg.trainer.selection == "validation":
            sign = 1 if higher_is_better else -1
            chosen = max(evaluated, key=lambda record: sign * record[f"validation/{metric}"])
        result["headline_value"] = chosen[metric]
        result["headline_epoch"] = chosen["epoch"]
        result.update({k: v for k, v in chosen.items() if k not in NO_METRIC and not k.startswith("train/")})
    return result
