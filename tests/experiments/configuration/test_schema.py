"""Which values a configuration takes, and what is said of the others."""

import subprocess
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from experiments.configuration.composition import GROUPS, GROUPS_BY_TASK, ROOT, as_dict, compose, options_of
from experiments.configuration.schema import Config, check_choices, validate
from experiments.errors import BadInput


def validated(*overrides):
    """What the words of groups among `overrides` choose, with the other values set as Hydra sets them."""
    words = [each for each in overrides if each.partition("=")[0] in GROUPS]
    cfg, _ = compose(words)
    for each in OverridesParser.create().parse_overrides([each for each in overrides if each not in words]):
        OmegaConf.update(cfg, each.key_or_group, each.value(), merge=True, force_add=each.is_add())
    return validate(cfg)


@pytest.mark.slow
@pytest.mark.parametrize("task", options_of("task"))
@pytest.mark.parametrize("group", [*GROUPS_BY_TASK, "act", "optim", "logger"])
def test_every_option_composes_and_is_accepted(task, group):
    for word in options_of(group, task if group in GROUPS_BY_TASK else None):
        cfg, choices = compose([f"task={task}", f"{group}={word}"])
        check_choices(choices)
        config = validate(cfg)
        assert config.model_dump() == as_dict(cfg)


def test_a_configuration_is_read_by_attribute_and_validated_once():
    config = validated("recipe=small", "trainer.epochs=3")
    assert isinstance(config, Config)
    assert (config.trainer.epochs, config.model.width, config.task.augmentation.flip) == (3, 16, True)
    assert validate(config) is config


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("trainer.epochs=true", ["trainer.epochs=true", "an integer ≥ 1"]),
        ("trainer.epochs='3'", ["trainer.epochs='3'", "an integer ≥ 1"]),
        ("trainer.epochs=0", ["trainer.epochs=0", "an integer ≥ 1"]),
        ("trainer.epochs=2.0", ["trainer.epochs=2.0", "an integer ≥ 1"]),
        ("trainer.max_steps=0", ["trainer.max_steps=0", "an integer ≥ 1 or null"]),
        ("trainer.threads=0", ["trainer.threads=0", "an integer ≥ 1", "or null"]),
        ("seed=9223372036854775808", ["seed=9223372036854775808", "≥ 0 and < 9223372036854775808"]),
        ("optim.optimizer.lr=true", ["optim.optimizer.lr=true", "a number > 0"]),
        ("optim.optimizer.lr=inf", ["optim.optimizer.lr=", "a number > 0"]),
        ("optim.optimizer.lr=nan", ["optim.optimizer.lr=", "a number > 0"]),
        ("optim.optimizer.momentum=1", ["optim.optimizer.momentum=1", "a number ≥ 0 and < 1"]),
        ("optim.optimizer.name=os.system", ["optim.optimizer.name=os.system", "torch.optim"]),
        ("optim.gradient_clip_norm=0", ["optim.gradient_clip_norm=0", "a number > 0 or null"]),
        ("optim.schedule.name=stpe", ["optim.schedule.name=stpe", "constant, step, linear, cosine"]),
        ("optim.schedule.milestones=[true]", ["optim.schedule.milestones=[true]", "rising"]),
        ("optim.schedule.milestones=[3,2]", ["optim.schedule.milestones=[3,2]", "rising"]),
        ("optim.schedule.milestones=[0,2]", ["optim.schedule.milestones=[0,2]", "rising"]),
        ("optim.schedule.warmup_epochs=201", ["warmup_epochs=201", "trainer.epochs=200", "≤ 200"]),
        ("act.options.gain=nan", ["act.options", "a mapping of options to values"]),
        ("act.options.gain=1e308", ["act.options", "a mapping of options to values"]),
        ("act.options.gain=[nan]", ["act.options", "a mapping of options to values"]),
        ("optim.optimizer.lr=1e308", ["optim.optimizer.lr=1e+308", "a number > 0, up to 1000000000"]),
        ("+optim.optimizer.dampening=nan", ["optim.optimizer.dampening=NaN", "finite numbers"]),
        ("+optim.optimizer.dampening=9223372036854775807", ["optim.optimizer.dampening", "finite numbers"]),
        ("trainer.batch_size=9223372036854775807", ["trainer.batch_size=9223372036854775807", "up to 1000000000"]),
        ("trainer.max_steps=9223372036854775808", ["max_steps=9223372036854775808", "or null, up to 1000000000"]),
        ("trainer.checkpoint_minutes=1e308", ["trainer.checkpoint_minutes=1e+308", "up to 1000000000"]),
        ("data.held_out=9223372036854775807", ["data.held_out=9223372036854775807", "up to 1000000000"]),
        ("trainer.device=cuda:99999999999", ["trainer.device=cuda:99999999999", "cuda:N"]),
        (f"output_root={'x' * 5000}", ["output_root=xxx", "the path of a folder"]),
        ("task=superres task.patch=9223372036854775807", ["task.patch", "≥ 1 and ≤ 10000"]),
        ("task=superres model.blocks=100000", ["model.blocks=100000", "≥ 1 and ≤ 1000"]),
        ("task=text model.layers=100000", ["model.layers=100000", "≥ 1 and ≤ 1000"]),
        ("model.width=0", ["model.width=0", "an integer ≥ 1"]),
        ("task.label_smoothing=1", ["task.label_smoothing=1", "< 1"]),
        ("task.augmentation.crop_padding=32", ["task.augmentation.crop_padding=32", "≥ 0 and < 32"]),
        ("task.augmentation.rotation_degrees=181", ["rotation_degrees=181", "≥ 0 and ≤ 180"]),
        ("task.augmentation.flip=1", ["task.augmentation.flip=1", "true or false"]),
        ("data.held_out=-1", ["data.held_out=-1", "an integer ≥ 0"]),
        ("data.download=no", ["data.download=no", "true or false"]),
        ("trainer.device=cuda:x", ["trainer.device=cuda:x", "cuda:N"]),
        ("output_root=''", ["output_root=''", "the path of a folder"]),
        ("model.architecture=vgg", ["model.architecture", "vgg", "resnet18"]),
        ("optim.schedule=3", ["optim.schedule=3", "the keys name, warmup_epochs"]),
        ("task.augmentation=null", ["task.augmentation=null", "the keys crop_padding"]),
        ("+trainer.epohcs=3", ["unknown key 'trainer.epohcs'", "did you mean trainer.epochs"]),
        ("+model.widht=3", ["unknown key 'model.widht'", "did you mean model.width"]),
        ("+task.augmentation.flop=true", ["task.augmentation.flop", "did you mean task.augmentation.flip"]),
        ("+optim.optimizer.betas=[]", ["optim.optimizer.betas=[]", "two numbers"]),
        ("task=superres task.scale=5", ["task.scale=5", "2, 3 or 4"]),
        ("task=superres task.scale=2.0", ["task.scale=2.0", "2, 3 or 4"]),
        ("task=superres data.test_sets=[test]", ["data.test_sets=[test]", "[set5,set14]"]),
        ("task=superres data.test_sets=[a,a]", ["data.test_sets=[a,a]", "different names"]),
        ("task=superres data.test_sets=a", ["data.test_sets=a", "a list"]),
        ("task=text data.text=[]", ["data.text=[]", "one column or two"]),
        ("task=text data.text=[a,b,c]", ["data.text=[a,b,c]", "one column or two"]),
        ("task=text data.classes=[a]", ["data.classes=[a]", "two or more different names or null"]),
        ("task=text data.unlabelled=true", ["data.unlabelled=true", "a label or null"]),
        ("logger=wandb logger.mode=off", ["logger.mode=off", "auto, online, offline"]),
        ("trainer.selection=validation", ["trainer.selection=last or data.held_out=…"]),
        ("task=superres trainer.selection=validation", ["trainer.selection=last or data.test_sets=…"]),
        (
            "task=text data=sst2 trainer.selection=validation",
            ["trainer.selection=last or data.validation=… or data.held_out=…"],
        ),
    ],
)
def test_a_value_out_of_its_range_is_answered_in_one_line_that_says_what_is_accepted(override, parts):
    with pytest.raises(BadInput) as caught:
        validated(*override.split())
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.held_out=5", "trainer.selection=validation"],
        ["task=superres", "data.test_sets=[validation]", "trainer.selection=validation"],
        ["task=text", "trainer.selection=validation"],
        ["trainer.device=cuda:3", "seed=9223372036854775807"],
        ["optim=adam", "optim.optimizer.betas=[0,0.5]"],
        ["trainer.epochs=3", "optim.schedule.warmup_epochs=3"],
        ["optim.optimizer.lr=1", "optim.schedule.milestones=[1,2.5]"],
    ],
)
def test_what_is_in_range_is_accepted(overrides):
    validated(*overrides)


def test_a_missing_key_is_named():
    values = as_dict(compose([])[0])
    del values["trainer"]["epochs"]

    with pytest.raises(BadInput, match=r"trainer\.epochs is missing; accepted: an integer ≥ 1"):
        validate(OmegaConf.create(values))


def test_validation_needs_no_torch():
    program = (
        "import sys\n"
        "from experiments.configuration.composition import compose\n"
        "from experiments.configuration.schema import validate\n"
        "for task in ('cifar100', 'superres', 'text'): validate(compose([f'task={task}'])[0])\n"
        "print([name for name in ('torch', 'torchvision', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
