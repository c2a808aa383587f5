"""Parameter groups and the learning-rate schedule."""

import pytest
import torch

from carelu import ActivationFactory
from experiments.configuration.composition import compose
from experiments.configuration.schema import ScheduleOptions, validate
from experiments.errors import BadInput
from experiments.tasks.cifar100.resnet import resnet18
from experiments.training.optimizer import build_optimizer, build_scheduler, learning_rate_factor, optimizers


def schedule(name, warmup_epochs=0, milestones=(), decay=0.1):
    return ScheduleOptions(name=name, warmup_epochs=warmup_epochs, milestones=list(milestones), decay=decay)


def options(*overrides):
    return validate(compose(list(overrides))[0]).optim


def test_activation_parameters_have_a_group_of_their_own_without_weight_decay():
    model = resnet18(ActivationFactory("carelu"), 100, width=2)
    rest, of_activations = build_optimizer(model, options("optim.activation_lr_multiplier=0.5")).param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert {names[id(p)].split(".")[-1] for p in of_activations["params"]} == {"alpha", "beta"}
    assert (of_activations["weight_decay"], of_activations["lr"]) == (0.0, 0.05)
    assert (rest["weight_decay"], rest["lr"], rest["momentum"]) == (5e-4, 0.1, 0.9)
    assert len(rest["params"]) + len(of_activations["params"]) == len(names)


def test_without_activation_parameters_there_is_one_group():
    model = resnet18(ActivationFactory("relu"), 100, width=2)
    assert len(build_optimizer(model, options()).param_groups) == 1


def test_an_option_that_the_optimiser_does_not_take_is_named():
    with pytest.raises(BadInput, match=r"rho.* torch\.optim\.SGD"):
        build_optimizer(torch.nn.Linear(1, 1), options("++optim.optimizer.rho=1"))


def test_an_optimiser_is_a_class_of_torch_by_its_name():
    chosen = options("optim=adamw", "optim.optimizer.name=NAdam")
    assert type(build_optimizer(torch.nn.Linear(1, 1), chosen)) is torch.optim.NAdam
    assert "Optimizer" not in optimizers()
    with pytest.raises(BadInput, match=r"optim\.optimizer\.name 'SGDD'; did you mean SGD"):
        build_optimizer(torch.nn.Linear(1, 1), options("optim.optimizer.name=SGDD"))


@pytest.mark.parametrize("name", ["constant", "step", "linear", "cosine"])
def test_warm_up_rises_linearly_to_the_peak(name):
    factors = [learning_rate_factor(step, 10, 5, schedule(name, warmup_epochs=1)) for step in range(11)]
    assert factors[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert factors[10] == pytest.approx(1.0)


def test_the_standard_recipe_divides_by_five_at_60_120_and_160():
    of_recipe = options("recipe=standard").schedule
    factors = [learning_rate_factor(391 * epoch, 391, 200, of_recipe) for epoch in (59, 60, 119, 120, 160)]
    assert factors == pytest.approx([1, 0.2, 0.2, 0.04, 0.008])


@pytest.mark.parametrize(("name", "middle"), [("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)])
def test_shapes_after_the_warm_up(name, middle):
    shape = schedule(name, warmup_epochs=1)
    assert learning_rate_factor(10 + 20, 10, 5, shape) == pytest.approx(middle)
    assert learning_rate_factor(50, 10, 5, shape) == pytest.approx(1.0 if name == "constant" else 0.0)


def test_the_scheduler_keeps_the_ratio_between_the_groups():
    optim = options("recipe=fast", "optim.activation_lr_multiplier=0.1")
    model = resnet18(ActivationFactory("carelu"), 100, width=2)
    optimizer = build_optimizer(model, optim)
    scheduler = build_scheduler(optimizer, optim, steps_per_epoch=2, epochs=30)
    optimizer.step()
    scheduler.step()
    rest, of_activations = scheduler.get_last_lr()
    assert rest == pytest.approx(0.1 * 2 / 12)
    assert of_activations == pytest.approx(0.1 * rest)
