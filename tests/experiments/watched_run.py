"""A run watched from outside: its batches, modes and learning rates, by way of its task and of torch's own hooks."""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from experiments.configuration.composition import compose
from experiments.record.run_directory import read_metrics
from experiments.tasks.contract import Batch, Splits, Task
from experiments.training.console import Display
from experiments.training.run import Outcome, Run


@dataclass
class WatchedRun:
    """What was seen of a run."""

    outcome: Outcome | None = None
    splits: Splits | None = None
    start: nn.Module | None = None
    """A copy of the model before its first step."""
    random_state: Tensor | None = None
    """That of torch's global generator before the first step."""
    batches: list[Batch] = field(default_factory=list)
    """Of training, in order."""
    group_settings: list[list[tuple[float, float]]] = field(default_factory=list)
    """(learning rate, weight decay) of each parameter group, at each step of the optimiser."""
    training_modes: list[set[bool]] = field(default_factory=list)
    """What `training` is over all modules, at each training step."""
    evaluation_modes: list[set[bool]] = field(default_factory=list)
    """The same at each evaluation, the pictures at the end included."""
    gradients_in_evaluation: list[bool] = field(default_factory=list)

    @property
    def checkpoint(self) -> dict[str, object]:
        return torch.load(self.outcome.identity.directory / "checkpoint.pt", weights_only=True)

    @property
    def records(self) -> list[dict[str, object]]:
        return read_metrics(self.outcome.identity.directory / "metrics.jsonl")


def watch(monkeypatch, task: type[Task], settings: list[str]) -> WatchedRun:
    """Performs the run that `settings` describe, and watches it."""
    seen = WatchedRun()
    build_data, loss, evaluate, write_artifacts = task.build_data, task.loss, task.evaluate, task.write_artifacts

    def note_evaluation(model):
        seen.evaluation_modes.append({module.training for module in model.modules()})
        seen.gradients_in_evaluation.append(torch.is_grad_enabled())

    def watched_data(self, cfg, device):
        seen.splits = build_data(self, cfg, device)
        return seen.splits

    def watched_loss(self, model, batch):
        if seen.start is None:
            seen.start, seen.random_state = copy.deepcopy(model), torch.get_rng_state()
        seen.batches.append(copy.deepcopy(batch))
        seen.training_modes.append({module.training for module in model.modules()})
        return loss(self, model, batch)

    def watched_evaluate(self, model, batches):
        note_evaluation(model)
        return evaluate(self, model, batches)

    def watched_artifacts(self, model, splits, folder):
        note_evaluation(model)
        return write_artifacts(self, model, splits, folder)

    def watched_step(optimizer, *_):
        seen.group_settings.append([(group["lr"], group["weight_decay"]) for group in optimizer.param_groups])

    hook = register_optimizer_step_pre_hook(watched_step)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(task, "build_data", watched_data)
            patch.setattr(task, "loss", watched_loss)
            patch.setattr(task, "evaluate", watched_evaluate)
            patch.setattr(task, "write_artifacts", watched_artifacts)
            seen.outcome = Run(*compose(settings), Display()).complete()
    finally:
        hook.remove()
    return seen
