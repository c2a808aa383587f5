"""What a dependency may change without a word: initial weights, outputs, gradients, an update, learning rates.

Measured on tiny models with every activation, for `scripts/golden.py`, which stores them, and the tests beside this.
Of each set of tensors its length and its projections on fixed vectors are kept, so that any change shows and a few
kilobytes suffice.
"""

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from experiments.configuration.composition import compose, options_of
from experiments.configuration.schema import Config, validate
from experiments.randomness import derived_seed, seed_everything
from experiments.tasks.contract import Splits, Task, build_task
from experiments.training.optimizer import build_optimizer, build_scheduler
from experiments.training.resolution import activation_factory, resolve_auto

FILE = Path(__file__).with_name("values.json")

Values = dict[str, list[float]]
"""Numbers by what they are of."""

MODELS = {
    "cifar100": {"resnet18": ["model.width=8"]},
    "superres": {"edsr": ["model.blocks=1", "model.features=4"], "espcn": []},
    "text": {
        "bert": ["model.layers=1", "model.width=8", "model.head_size=4"],
        "bilstm": ["model.layers=1", "model.width=8"],
    },
}

DATA = {
    "cifar100": ["trainer.batch_size=20", "task.augmentation.rotation_degrees=10"],
    "superres": ["task.patch=8", "task.steps_per_epoch=20", "trainer.batch_size=4"],
    "text": ["data.vocabulary_size=500", "data.tokens_per_batch=2048", "trainer.batch_size=20"],
}

CASES = [
    (task, model, act)
    for task, models in MODELS.items()
    for model in models
    for act in [*options_of("act"), *(["carelu act.options.competition_input=pre_norm"] if task == "cifar100" else [])]
    if (model, act) != ("resnet18", "carelu_sign")  # in 17 layers one sign that rounding turns changes the gradient
]

TOLERANCES = {
    "initial": 1e-5,
    "outputs": 1e-4,
    "loss": 1e-5,
    "gradient": 1e-3,
    "update": 1e-2,  # Adam's first step is the sign of the gradient, and some elements are near 0
    "evaluated": 1e-3,
    "learning": 1e-9,
}
"""How far values may be from the stored ones, relative to the largest of them, by the first word of what they are.

Other instructions of the processor (`ATEN_CPU_CAPABILITY=default`) and other kernels make a tenth of that at most.
"""

KINKED = {"resnet18": {"gradient": 1e-2}}
"""Tolerances of models so deep that rounding carries some inputs over the kink of an activation."""

CONTINUOUS = ("loss", "psnr_y", "psnr_rgb", "ssim_y", "bicubic_psnr_y")
"""The metrics that no single example decides by rounding, as it decides an accuracy."""

EVALUATED = ("carelu", "relu")
"""The activations with which a model is evaluated too, which takes longest."""

PROJECTIONS = 6
_STEP = 0.6180339887498949  # of the golden ratio: the fixed vectors repeat nowhere


def name_of(case: tuple[str, str, str]) -> str:
    """The name of a case in the stored file."""
    return " ".join(case)


def measure(case: tuple[str, str, str], cache: Path) -> Values:
    """The values of one case on this machine.

    Args:
        case: task, model and activation, out of `CASES`.
        cache: folder for token ids.
    """
    task_name, model_name, act = case
    config = _config(task_name, model_name, act, cache)
    seed_everything(config.seed)
    task, factory = build_task(config), activation_factory(config)
    model = task.build_model(config, factory)
    splits = _splits(task_name, model_name, cache)
    values = {"initial": digest(model.state_dict())}
    values |= _of_a_step(task, model, splits, config)
    if act not in EVALUATED:
        return values
    model.eval()
    with torch.no_grad():
        for name, batches in splits.evaluation.items():
            metrics = task.evaluate(model, itertools.islice(batches, 1))
            values[f"evaluated {name}".strip()] = [metrics[key] for key in sorted(metrics) if key in CONTINUOUS]
    return values


def _config(task: str, model: str, act: str, cache: Path) -> Config:
    settings = [f"task={task}", f"model={model}", *f"act={act}".split(), "recipe=small", "data=sample"]
    settings += [*MODELS[task][model], *DATA[task], "trainer.device=cpu", "trainer.precision=float32"]
    settings += [f"data.cache={cache}"] if task == "text" else []
    return resolve_auto(validate(compose(settings)[0]))


@functools.cache
def _splits(task: str, model: str, cache: Path) -> Splits:
    config = _config(task, model, "relu", cache)
    return build_task(config).build_data(config, torch.device("cpu"))


def _of_a_step(task: Task, model: nn.Module, splits: Splits, config: Config) -> Values:
    """What the first training step gives; the model is updated."""
    optimizer = build_optimizer(model, config.optim)
    scheduler = build_scheduler(optimizer, config.optim, len(splits.train), config.trainer.epochs)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    outputs: list[Tensor] = []
    hook = model.register_forward_hook(lambda _, __, output: outputs.append(output.detach()))
    torch.manual_seed(derived_seed(config.seed, 0))  # of dropout
    loss, _, _ = task.loss(model.train(), next(iter(splits.train.epoch(config.seed, 0))))
    hook.remove()
    loss.backward()
    values = {"outputs": digest({"outputs": outputs[0]}), "loss": [float(loss.detach())]}
    values["gradient"] = digest({name: each.grad for name, each in model.named_parameters() if each.grad is not None})
    if config.optim.gradient_clip_norm is not None:
        nn.utils.clip_grad_norm_(model.parameters(), config.optim.gradient_clip_norm)
    optimizer.step()
    values["update"] = digest({name: each.detach() - before[name] for name, each in model.named_parameters()})
    total = len(splits.train) * config.trainer.epochs
    places, rates = {round(share * total / 8) for share in range(9)}, []
    for step in range(total + 1):
        if step in places:
            rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return {**values, "learning rates": rates}


def digest(tensors: Mapping[str, Tensor]) -> list[float]:
    """The length of all of `tensors` as one vector, and its scalar products with fixed vectors of +1 and -1."""
    vector = torch.cat([tensors[name].double().flatten() for name in sorted(tensors)])
    place = torch.arange(1, len(vector) + 1, dtype=torch.float64)
    signs = [torch.where((place * place * _STEP * number) % 1 < 0.5, 1.0, -1.0) for number in range(1, PROJECTIONS + 1)]
    return [float(vector.norm()), *(float(vector @ each.double()) for each in signs)]


def differences(stored: Values, measured: Values, model: str = "") -> list[str]:
    """What differs by more than another processor explains, in one line each."""
    tolerances = {**TOLERANCES, **KINKED.get(model, {})}
    if stored.keys() != measured.keys():
        return [f"measured is {', '.join(measured)}, stored is {', '.join(stored)}"]
    found = []
    for what, wanted in stored.items():
        scale = max(map(abs, wanted), default=0.0)
        apart = max((abs(one - other) for one, other in zip(wanted, measured[what], strict=True)), default=0.0)
        if not apart <= tolerances[what.split(" ")[0]] * scale:
            found.append(f"{what} is off by {apart / scale:.1e} of its size: {measured[what][:3]}, not {wanted[:3]}")
    return found
