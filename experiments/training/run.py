"""The life of one run: resolve, identify, open, resume or begin, train, record."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import nn

from carelu import ActivationFactory
from carelu.kernels.dispatch import VARIABLE as KERNEL_VARIABLE
from experiments.analysis.runs import device_label
from experiments.configuration.composition import options_of
from experiments.configuration.identity import Identity, identify
from experiments.configuration.schema import Config, validate
from experiments.distributed.processes import Processes, process_group
from experiments.distributed.torchrun import read_torchrun
from experiments.errors import BadInput, one_line
from experiments.files import write_atomically
from experiments.randomness import seed_everything
from experiments.record import ledger
from experiments.record.environment import describe, peak_memory_mib, reset_peak_memory
from experiments.record.file_loggers import check_packages
from experiments.record.run_directory import RESULT, TRACEBACK, ReadOnlyRunDirectory, RunDirectory, damaged
from experiments.record.sums import note_on_altered
from experiments.record.tracking import build_mirror
from experiments.tasks.contract import Splits, Task, build_task
from experiments.training.activation_check import CheckedActivations
from experiments.training.activation_statistics import summary
from experiments.training.allocator import out_of_memory_explained
from experiments.training.console import Display, advice
from experiments.training.engine import Engine, Outputs, Setup
from experiments.training.model_cost import activation_parameters
from experiments.training.optimizer import build_optimizer
from experiments.training.resolution import activation_factory, resolve_auto
from experiments.training.signals import StopRequested, stop_requests
from experiments.training.state import Diverged, Interrupted

FINAL = ("finished", "diverged")
"""Statuses after which a run is not repeated; a failed run is."""

RESUME_REQUIRES = ("code_hash", "activation_hash", "kernel", "torch", "processes", "device", "threads")
"""Entries of environment.json that must be unchanged for an interrupted run to resume."""

NO_METRIC = ("epoch", "step", "learning_rate", "seconds", "activations")
"""Fields of a record of metrics.jsonl that are not metrics of the model."""

_LONGEST_REASON = 200
"""Characters of an error of torch that a message repeats."""


@dataclass(frozen=True)
class Outcome:
    """How a request for a run ended."""

    identity: Identity
    result: dict[str, object] | None
    """None if a signal stopped the run before its end."""
    again: bool
    """Whether the run had ended before this request."""
    resumed: bool = False
    """Whether it was resumed from a checkpoint."""
    signalled: bool = False
    """Whether a signal came too late to stop the run; the sweep that it belongs to ends."""


class Run:
    """One run, from a configuration to a row of the ledger. Use it once: `Run(config, choices, display).complete()`.

    Args:
        config: the composed configuration.
        choices: the option chosen in each Hydra group.
        display: the terminal.
        make_task: builds the task; a benchmark passes one that is timed.

    Raises:
        BadInput: the configuration is not valid.
    """

    def __init__(
        self,
        config: DictConfig | Config,
        choices: dict[str, str],
        display: Display,
        make_task: Callable[[Config], Task] = build_task,
    ):
        self.config = validate(config)
        self.choices, self.display, self.make_task = choices, display, make_task
        self.processes: Processes
        self.activation: ActivationFactory
        self.task: Task
        self.identity: Identity
        self.directory: RunDirectory
        self.environment: dict[str, object]
        self.parameters: int
        self.engine: Engine
        self._signalled = False

    def complete(self) -> Outcome:
        """Starts or resumes the run, or returns its existing result.

        Raises:
            BadInput: a mistake that the user can correct; no finished work is lost.
            OtherProcessFailed: another process of the run failed and reports why.
        """
        resumed = False
        with process_group() as self.processes:
            self.resolve()
            self.identify()
            with self.open():
                self.processes.broadcast_from_main(lambda: ledger.check(self.ledger))
                restart = self._must_restart()
                result = self._final_result(restart)
                again = result is not None
                if not again:
                    saved = self._saved_state(restart)
                    resumed = saved is not None
                    self.build()
                    if resumed:
                        self.resume(saved)
                    else:
                        self.begin()
                    result = self.train()
                self.record(result)
        return Outcome(self.identity, result, again, resumed, self._signalled)

    def resolve(self) -> None:
        """Replaces "auto" in the configuration, checks the activation by building it, and sets device and threads."""
        self.config = resolve_auto(self.config)
        if self.config.trainer.threads is not None:
            torch.set_num_threads(self.config.trainer.threads)
        check_packages(self.config.logger.names)
        self.activation = activation_factory(self.config)
        self.processes.assign_device(self.config.trainer.device)

    def identify(self) -> None:
        """Computes the run's names and id, which depend on the content of its data."""
        self.task = self.make_task(self.config)
        data = self.processes.broadcast_from_main(lambda: self.task.data_fingerprint(self.config))
        identity = identify(self.config, self.choices, data)
        self.identity = replace(identity, command=read_torchrun().command(identity.command))

    def open(self) -> AbstractContextManager[None]:
        """Creates the run's directory and returns its lock; only the main process writes to it."""
        self.directory = (RunDirectory if self.processes.is_main else ReadOnlyRunDirectory)(self.identity.directory)
        self.directory.create()
        self.environment = describe(
            self.processes.device,
            self.processes.size,
            task_package=self.config.task.package,
            activation=type(self.activation.stand_alone()),
            libraries=self.task.spec.libraries,
        )
        return self.directory.lock()

    def build(self) -> None:
        """Builds task, model, optimizer, data and engine; cheap ones first, so that mistakes show early."""
        config = self.config
        what = f"model={config.model.name} with data={config.data.name}"
        with out_of_memory_explained(what, "choose smaller values of model.* and data.*"):
            self._build(config, self.processes.device)

    def _build(self, config: Config, device: torch.device) -> None:
        reset_peak_memory(device)
        seed_everything(config.seed)
        task = self.task
        activation = CheckedActivations(self.activation, config.trainer.precision, device)
        model = build_model(task, config, activation, device)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        optimizer = build_optimizer(model, config.optim)
        splits = task.build_data(config, device)
        _check_batch_sizes(splits, self.processes)
        outputs = Outputs(self.identity.run_id, self.directory, self.display)
        self.engine = Engine(config, Setup(task, splits, model, optimizer), self.processes, outputs)

    def resume(self, saved: dict[str, object]) -> None:
        """Continues from a checkpoint."""
        try:
            self.engine.restore(saved)
        except Exception as error:  # whatever a part that is none of this run's leads to
            reason = one_line(error, _LONGEST_REASON)
            raise BadInput(
                f"{self.directory.checkpoint} does not fit this run ({type(error).__name__}: {reason}); "
                "delete it or add force=true to restart the run"
            ) from error
        self.environment = self.directory.environment()
        done, total = self.engine.state.steps, self.engine.total_steps
        self._announce(f"at step {done:,} of {total:,}", saved["wandb_id"])

    def begin(self) -> None:
        """Starts from step 0; files of an earlier run that force=true repeats are moved aside."""
        if self.config.force:
            self.directory.set_aside()
        self.directory.begin(self.config, self.environment)
        self._announce("", None)

    def train(self) -> dict[str, object] | None:
        """Trains to the end and writes result.json; returns the result, or None if a signal stopped the run."""
        engine = self.engine
        with stop_requests(self.processes.parent_is_gone) as stop_requested:  # until the end is recorded
            ending = self._train(stop_requested)
            result = None if ending is None else self._result(*ending)
            if result is None:
                done, total = engine.state.steps, engine.total_steps
                self.display.note(f"stopped at step {done:,} of {total:,}; repeat the same command to resume")
            else:
                self.directory.finish(result)
            engine.outputs.mirror.finish(result)
            self._signalled = stop_requested()
        return result

    def record(self, result: dict[str, object] | None) -> None:
        """Writes the row of a run that has ended to the ledger."""
        if result is not None and self.processes.is_main:
            ledger.record(self.ledger, result)

    @property
    def ledger(self) -> Path:
        return Path(self.config.output_root, ledger.FILE)

    def _must_restart(self) -> bool:
        """Whether force=true restarts the run; an interrupted restart is resumed instead."""
        # It depends on the directory, which the main process reads for all.
        return self.processes.broadcast_from_main(lambda: self.config.force and not self.directory.restart_under_way())

    def _final_result(self, restart: bool) -> dict[str, object] | None:
        """The result of a run that is already done, with a note if it was made with other code."""
        result = self.processes.broadcast_from_main(lambda: None if restart else self.directory.result())
        if result is None or result["status"] not in FINAL:
            return None
        if result["headline_metric"] != self.task.headline[0]:
            metric = result["headline_metric"]
            raise damaged(self.directory.path / RESULT, f"its headline_metric is {metric!r}, not of this task")
        if result["run_id"] != self.identity.run_id:
            raise BadInput(
                f"{self.directory.path} holds the result of the run {result['run_id']}, not of "
                f"{self.identity.run_id}; move it away, or add force=true to restart"
            )
        if note := note_on_altered(self.directory.path):
            self.display.note(f"note: {note}")
        then = self.directory.environment()
        if then and then.get("code_hash") != self.environment["code_hash"]:
            commit = str(then.get("git_commit"))[:10]
            self.display.note(f"note: this result is from other code (commit {commit}); force=true repeats the run")
        return result

    def _saved_state(self, restart: bool) -> dict[str, object] | None:
        """The checkpoint to resume from, or None for a new start."""
        return self.processes.broadcast_from_main(lambda: None if restart else self._load_checkpoint())

    def _load_checkpoint(self) -> dict[str, object] | None:
        content, note = self.directory.load()
        if content is None:
            return None
        if note:
            self.display.note(f"note: {note}")
        if content["run_id"] != self.identity.run_id:
            raise BadInput(
                f"{self.directory.checkpoint} belongs to the run {content['run_id']}, not to {self.identity.run_id}; "
                "move it away, or add force=true to restart"
            )
        then = self.directory.environment() or {}
        for key in RESUME_REQUIRES:
            if then.get(key) != self.environment[key]:
                way = f"set {KERNEL_VARIABLE}={then.get(key)}" if key == "kernel" else "restore the former"
                raise BadInput(
                    f"{self.directory.path} was started with {key} {then.get(key)} (commit {then.get('git_commit')}) "
                    f"and cannot be resumed with {key} {self.environment[key]}; {way}, or add force=true to restart"
                )
        return content

    def _announce(self, resumed_at: str, wandb_id: str | None) -> None:
        """Prints the header and connects the mirror."""
        config, environment = self.config, self.environment
        precision = config.trainer.precision
        device = device_label(environment["device"], environment["threads"])
        self.display.header(self.identity, self.parameters, device, precision, resumed_at)
        recipes, trainer = options_of("recipe", self.identity.task), config.trainer
        chosen = (self.choices.get("data", ""), self.identity.recipe)
        if warning := advice(*chosen, recipes, trainer.epochs, trainer.max_steps):
            self.display.note(warning)
        for note in self.engine.splits.notes:
            self.display.note(f"note: {note}")
        if self.processes.is_main:
            self.engine.outputs.mirror = build_mirror(
                config,
                self.identity,
                environment,
                self.directory.path,
                wandb_id,
                self.display.note,
                self.engine.state.steps,
            )

    def _train(self, stop_requested: StopRequested) -> tuple[str, str] | None:
        """Trains; returns the status of the run and its reason, or None if it was stopped before its end."""
        directory, mirror = self.directory, self.engine.outputs.mirror
        try:
            self.engine.train(stop_requested)
        except Interrupted:
            return None
        except Diverged as error:
            kept = "checkpoint.pt holds the last good state" if directory.checkpoint.exists() else "no checkpoint yet"
            return "diverged", f"{error}; {kept}"
        except BadInput:
            mirror.finish(None)
            raise
        except Exception as error:
            failure = self.processes.failure(error)
            if failure.from_outside or not self.processes.is_main:
                mirror.finish(None)
                raise
            trace = directory.path / TRACEBACK
            write_atomically(trace, failure.traceback.encode())
            return "failed", f"{failure.reason} (see {trace})"
        return "finished", ""

    def _result(self, status: str, reason: str) -> dict[str, object]:
        """The content of result.json; most of it becomes the ledger row."""
        engine, state, environment = self.engine, self.engine.state, self.environment
        result = {key: value for key, value in asdict(self.identity).items() if key in ledger.COLUMNS}
        result.update(
            status=status,
            reason=reason,
            headline_metric=engine.task.headline[0],
            headline_value=None,
            parameters=self.parameters,
            epochs=_int_if_integral(round(state.steps / engine.steps_per_epoch, 3)),
            steps=state.steps,
            wall_seconds=round(state.wall_seconds, 3),
            step_milliseconds=round(1000 * state.train_seconds / max(1, state.steps), 3),
            peak_memory_mib=round(max(state.peak_memory_mib, peak_memory_mib(engine.device)), 1),
            precision=self.config.trainer.precision,
            finished_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        if engine.splits.notes:
            result["notes"] = list(engine.splits.notes)
        if (chance := engine.task.chance()) is not None:
            result["chance"] = chance
        result.update({key: environment.get(key, "") for key in ledger.OF_ENVIRONMENT})
        if status == "finished":
            result.update(headline_of(state.history, engine.task, self.config.trainer.selection))
            result.update(summary(state.history[-1].get("activations", {})))
            result["activation_parameters"] = activation_parameters(engine.model)
            if engine.forward_flops:
                result["forward_flops"] = engine.forward_flops
        return result


def headline_of(history: list[dict[str, object]], task: Task, selection: str) -> dict[str, object]:
    """The headline value and epoch of a finished run, and all metrics of that epoch.

    Args:
        history: the records of metrics.jsonl.
        task: defines the headline metric and its direction.
        selection: "last" for the last epoch, "validation" for the epoch that is best on the validation set.
    """
    metric, higher_is_better = task.headline
    evaluated = [record for record in history if metric in record]
    chosen = evaluated[-1]
    if selection == "validation":
        sign = 1 if higher_is_better else -1
        chosen = max(evaluated, key=lambda record: sign * record[f"validation/{metric}"])
    metrics = {k: v for k, v in chosen.items() if k not in NO_METRIC and not k.startswith("train/")}
    return {"headline_value": chosen[metric], "headline_epoch": chosen["epoch"], **metrics}


def build_model(task: Task, config: Config, activation: ActivationFactory, device: torch.device) -> nn.Module:
    """The model of a task on `device`, in the memory format of `trainer.channels_last`.

    Raises:
        BadInput: its options or its activation do not fit.
    """
    try:
        model = task.build_model(config, activation)
    except (ValueError, ImportError) as error:
        raise BadInput(f"model={config.model.name} with act={config.act.name} cannot be built: {error}") from error
    model = model.to(device)
    return model.to(memory_format=torch.channels_last) if config.trainer.channels_last else model


def _check_batch_sizes(splits: Splits, processes: Processes) -> None:
    if splits.train.smallest < processes.size:
        raise BadInput(
            f"the smallest batch of an epoch has {splits.train.smallest} examples, too few for {processes.size} "
            f"processes; use torchrun --nproc_per_node={splits.train.smallest} or less, or set trainer.batch_size "
            "(text: data.tokens_per_batch) so that every batch is large enough"
        )


def _int_if_integral(number: float) -> int | float:
    return int(number) if number == int(number) else number
