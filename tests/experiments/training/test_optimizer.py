"""Parameter groups and the learning-rate schedule."""

import pytest
import torch
from omegaconf import OmegaConf

from carelu import ActivationFactory
from experiments.configuration.composition import compose
from experiments.errors import BadInput
from experiments.tasks.cifar100.resnet import resnet18
from experiments.training.optimizer import build_optimizer, build_scheduler, learning_rate_factor


def schedule(name, warmup_epochs=0, milestones=(), decay=0.1):
    return OmegaConf.create(
        {"name": name, "warmup_epochs": warmup_epochs, "milestones": list(milestones), "decay": decay}
    )


def test_activation_parameters_have_a_group_of_their_own_without_weight_decay():
    cfg, _ = compose(["optim.activation_lr_multiplier=0.5"])
    model = resnet18(ActivationFactory("carelu"), 100, width=2)
    rest, of_activations = build_optimizer(model, cfg.optim).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(p)].split(".")[-1] for p in of_activations["params"]} == {"alpha", "beta"}
    assert (of_activations["weight_decay"], of_activations["lr"]) == (0.0, 0.05)
    assert (rest["weight_decay"], rest["lr"], rest["momentum"]) == (5e-4, 0.1, 0.9)
    assert len(rest["params"]) + len(of_activations["params"]) == len(names)


def test_without_activation_parameters_there_is_one_group():
    cfg, _ = compose([])
    assert len(build_optimizer(resnet18(ActivationFactory("relu"), 100, width=2), cfg.optim).param_groups) == 1


def test_an_option_that_the_optimiser_does_not_take_is_named():
    cfg, _ = compose(["++optim.optimizer.rho=1"])
    with pytest.raises(BadInput, match="rho"):
        build_optimizer(torch.nn.Linear(1, 1), cfg.optim)


@pytest.mark.parametrize("name", ["constant", "step", "linear", "cosine"])
def test_warm_up_rises_linearly_to_the_peak(name):
    factors = [learning_rate_factor(step, 10, 5, schedule(name, warmup_epochs=1)) for step in range(11)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert factors[10] == pytest.approx(1.0)


def test_the_standard_recipe_divides_by_five_at_60_120_and_160():
    cfg, _ = compose(["recipe=standard"])
    factors = [learning_rate_factor(391 * epoch, 391, 200, cfg.optim.schedule) for epoch in (59, 60, 119, 120, 160)]
    assert factors == pytest.approx([1, 0.2, 0.2, 0.04, 0.008])


@pytest.mark.parametrize(("name", "middle"), [("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)])
def test_shapes_after_the_warm_up(name, middle):
    shape = schedule(name, warmup_epochs=1)
    assert learning_rate_factor(10 + 20, 10, 5, shape) == pytest.approx(middle)
    assert learning_rate_factor(50, 10, 5, shape) == pytest.approx(1.0 if name == "constant" else 0.0)


def test_the_scheduler_keeps_the_ratio_between_the_groups():
    cfg, _ = compose(["recipe=fast", "optim.activation_lr_multiplier=0.1"])
    model = resnet18(ActivationFactory("carelu"), 100, width=2)
    optimizer = build_optimizer(model, cfg.optim)
    scheduler = build_scheduler(optimizer, cfg.optim, steps_per_epoch=2, epochs=30)
    optimizer.step()
    scheduler.step()
    rest, of_activations = scheduler.get_last_lr()
    assert rest == pytest.approx(0.1 * 2 / 12)
    assert of_activations == pytest.approx(0.1 * rest)
