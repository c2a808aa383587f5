"""From a command line to a checked configuration, and from a configuration to a run's names.

Imports neither torch nor data, so that a typing error is answered at once.
"""

import hashlib
import json
import math
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.errors import BadInput, unknown

CONFIG_DIR = Path(__file__).parent.parent / "configs"

BY_TASK = ("data", "model", "recipe")
"""Groups whose words each task understands in its own way."""

GROUPS = ("task", "act", "recipe", "data", "model", "optim", "trainer", "logger")
"""The groups that make up a run; `experiment` is laid over them."""

WHERE_NOT_WHAT = (
    "output_root",
    "force",
    "logger",
    "data.root",
    "data.download",
    "data.test_root",
    "data.cache",
    "trainer.checkpoint_minutes",
)
"""Keys (or their parents) that say where and how a run is kept, not what it computes."""

DECIDED_BY_WORD = {f"{group}.name": group for group in ("task", "act", "data", "model")} | {"recipe": "recipe"}
"""Keys that say what was chosen and the group whose word chooses it; the record relies on them."""

OWN_COLUMN = ("seed", "act", "data", "model", "trainer.device", "trainer.precision")
"""Keys (or their parents) that the record names in columns of their own, beside the recipe's."""

SHOW_KEYS = "all keys and their values: python run.py --cfg job"


def words_of(group: str, task: str | None = None) -> dict[str, str]:
    """The options of a group and what each is: the first line of its file that says so."""
    folder = CONFIG_DIR / group / (task or "")
    return {file.stem: _first_comment(file) for file in sorted(folder.glob("*.yaml"))}


def _first_comment(file: Path) -> str:
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


# --- composing -----------------------------------------------------------------------------------


def compose(overrides: list[str]) -> tuple[DictConfig, dict[str, str]]:
    """The configuration for `overrides`, and the option chosen in each group.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    if GlobalHydra.instance().is_initialized():
        cfg = hydra.compose("config", overrides, return_hydra_config=True)
    else:
        with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            cfg = hydra.compose("config", overrides, return_hydra_config=True)
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


def flatten(node: object, prefix: str = "") -> dict[str, object]:
    """The leaves of a nested dict by dotted key; lists and empty dicts are leaves."""
    if isinstance(node, dict) and node:
        return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".strip(".")).items()}
    return {prefix: node}


def _under(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def as_dict(cfg: DictConfig) -> dict[str, object]:
    """`cfg` as plain dicts and lists, interpolations resolved."""
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


# --- checking ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    accepted: str
    holds: Callable[[object], bool]


def _integer(minimum: int, below: float = math.inf, optional: bool = False) -> _Rule:
    return _Rule(
        f"an integer ≥ {minimum}" + (f" and < {below}" if below < math.inf else "") + (" or null" if optional else ""),
        lambda v: (optional and v is None) or (isinstance(v, int) and not isinstance(v, bool) and minimum <= v < below),
    )


def _number(minimum: float, below: float = math.inf, exclusive: bool = False, optional: bool = False) -> _Rule:
    bound = f"{'>' if exclusive else '≥'} {minimum}" + ("" if below == math.inf else f" and < {below}")
    return _Rule(
        f"a number {bound}" + (" or null" if optional else ""),
        lambda v: (
            (optional and v is None)
            or (
                (isinstance(v, int | float) and not isinstance(v, bool))
                and (v > minimum if exclusive else v >= minimum)
                and v < below
            )
        ),
    )


def _one_of(*words: str) -> _Rule:
    return _Rule(", ".join(words), lambda v: v in words)


_BOOLEAN = _Rule("true or false", lambda v: isinstance(v, bool))
_FOLDER = _Rule("the path of a folder", lambda v: isinstance(v, str) and bool(v))
_PATH = _Rule("the path of a file or folder", _FOLDER.holds)

_VALIDATION_KEYS = ("data.validation", "data.held_out")
"""What gives a task its evaluation set "validation": a set of its own, or a part of train."""


def _optional(rule: _Rule) -> _Rule:
    return _Rule(f"{rule.accepted} or null", lambda v: v is None or rule.holds(v))


def _names(accepted: str, at_least: int, at_most: float = math.inf) -> _Rule:
    return _Rule(
        accepted,
        lambda v: (
            isinstance(v, list)
            and at_least <= len(v) <= at_most
            and all(isinstance(name, str) and name for name in v)
            and len(set(v)) == len(v)
        ),
    )


_RULES = {
    "seed": _integer(0, below=2**63),
    "force": _BOOLEAN,
    "output_root": _FOLDER,
    "data.root": _FOLDER,
    "data.download": _BOOLEAN,
    "data.held_out": _integer(0),
    "data.train_lr": _optional(_FOLDER),
    "data.test_lr": _optional(_FOLDER),
    "data.test_root": _FOLDER,
    "data.test_sets": _Rule(
        "a list of different names other than test, like [set5,set14]",
        lambda v: isinstance(v, list) and all(isinstance(e, str) and e for e in v) and len({*v, "test"}) == len(v) + 1,
    ),
    "data.train": _optional(_PATH),
    "data.validation": _optional(_PATH),
    "data.test": _optional(_PATH),
    "data.text": _names("one column or two, like [premise,hypothesis]", 1, 2),
    "data.label": _Rule("the name of a column", lambda v: isinstance(v, str) and bool(v)),
    "data.classes": _optional(_names("a list of two or more different names", 2)),
    "data.unlabelled": _Rule("a label or null", lambda v: v is None or isinstance(v, int | str)),
    "data.drop_empty": _BOOLEAN,
    "data.train_rows": _integer(1, optional=True),
    "data.tokenizer": _optional(_Rule("a folder or a hub name", lambda v: isinstance(v, str) and bool(v))),
    "data.vocabulary_size": _integer(100),
    "data.lowercase": _BOOLEAN,
    "data.max_length": _integer(4),
    "data.tokens_per_batch": _integer(8),
    "data.cache": _FOLDER,
    "model.layers": _integer(1),
    "model.head_size": _integer(1),
    "model.feed_forward_factor": _integer(1),
    "model.mlp_layers": _integer(1),
    "model.dropout": _number(0, below=1),
    "model.pretrained": _optional(_Rule("a folder or a hub name", lambda v: isinstance(v, str) and bool(v))),
    "model.width": _integer(1),
    "model.blocks": _integer(1),
    "model.features": _integer(1),
    "model.pixel_range": _number(0, exclusive=True),
    "trainer.epochs": _integer(1),
    "trainer.max_steps": _integer(1, optional=True),
    "trainer.batch_size": _integer(1),
    "trainer.evaluation_batch_size": _integer(1),
    "trainer.evaluate_every": _integer(1),
    "trainer.selection": _one_of("last", "validation"),
    "trainer.device": _Rule(
        "auto, cpu, cuda or cuda:N",
        lambda v: v in ("auto", "cpu", "cuda") or (isinstance(v, str) and v[:5] == "cuda:" and v[5:].isdigit()),
    ),
    "trainer.precision": _one_of("auto", "float32", "bfloat16", "float16"),
    "trainer.channels_last": _BOOLEAN,
    "trainer.compile": _BOOLEAN,
    "trainer.checkpoint_minutes": _number(0, exclusive=True),
    "optim.optimizer.lr": _number(0, exclusive=True),
    "optim.optimizer.momentum": _number(0, below=1),
    "optim.optimizer.weight_decay": _number(0),
    "optim.optimizer.nesterov": _BOOLEAN,
    "optim.activation_lr_multiplier": _number(0),
    "optim.gradient_clip_norm": _number(0, exclusive=True, optional=True),
    "optim.schedule.name": _one_of("constant", "step", "linear", "cosine"),
    "optim.schedule.warmup_epochs": _number(0),
    "optim.schedule.milestones": _Rule(
        "a list of rising epochs > 0, like [60,120,160]",
        lambda v: isinstance(v, list) and all(isinstance(e, int | float) and e > 0 for e in v) and v == sorted(set(v)),
    ),
    "optim.schedule.decay": _number(0, exclusive=True),
    "task.label_smoothing": _number(0, below=1),
    "task.scale": _Rule("2, 3 or 4", lambda v: isinstance(v, int) and v in (2, 3, 4)),
    "task.patch": _integer(1),
    "task.steps_per_epoch": _integer(1),
    "task.tile": _integer(1, optional=True),
    "task.augmentation.quarter_turns": _BOOLEAN,
    "task.augmentation.crop_padding": _integer(0),
    "task.augmentation.flip": _BOOLEAN,
    "task.augmentation.rotation_degrees": _number(0, below=180.001),
    "logger.mode": _one_of("auto", "online", "offline"),
}


def check_values(cfg: DictConfig) -> None:
    """Raises `BadInput` for the first value that is out of its range."""
    leaves = flatten(as_dict(cfg))
    for key, value in leaves.items():
        rule = _RULES.get(key)
        if rule and not rule.holds(value):
            raise BadInput(f"{key}={_literal(value)} is not accepted; accepted: {rule.accepted}")
    if leaves.get("trainer.selection") == "validation":
        sources = [key for key in _VALIDATION_KEYS if key in leaves]
        if not any(leaves[key] for key in sources) and "validation" not in leaves.get("data.test_sets", []):
            ways_out = " or ".join(["trainer.selection=last", *(f"{key}=…" for key in sources)])
            raise BadInput(f"trainer.selection=validation needs a set to select on, and there is none; set {ways_out}")


def check_choices(choices: dict[str, str]) -> None:
    """Raises `BadInput` for a data, model or recipe that the chosen task does not have."""
    task = choices["task"]
    for group in BY_TASK:
        known = words_of(group, task)
        if known and choices[group] not in known:
            raise unknown(f"{group} for task={task}:", choices[group], known)


def check_command(args: list[str]) -> None:
    """Raises `BadInput` for the first part of a command line that does not exist or is out of range.

    Each value of a sweep is tried once, with the first value of the others.
    """
    if {"-sc", "--shell-completion"} & set(args):
        return
    overrides = [override for override in _parse(args) if not override.key_or_group.startswith("hydra")]
    sweeping = {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(args)
    for override in overrides:
        group = override.key_or_group
        if override.is_delete():
            raise BadInput(f"{override.input_line}: a key cannot be taken away, only given another value")
        if group in DECIDED_BY_WORD and "." in group:
            raise BadInput(f"{override.input_line}: {group} cannot be set; choose with {DECIDED_BY_WORD[group]}=…")
        if override.is_sweep_override() and not sweeping:
            raise BadInput(f"{override.input_line} gives several values; to sweep over them: python run.py -m …")
        if not _values(override):
            raise BadInput(f"{override.input_line} fits nothing; accepted: {', '.join(words_of(group))}")
        if group in GROUPS or group == "experiment":
            known = words_of(group)
            for word in _values(override):
                if word not in known:
                    raise unknown(group, word, known)
    chosen = [o for o in overrides if o.key_or_group in GROUPS or o.key_or_group == "experiment"]
    cfg, choices = _compose_or_explain([_line(o, _values(o)[0]) for o in chosen])
    check_choices(choices)
    known_keys = flatten(as_dict(cfg))
    for override in overrides:
        key = override.key_or_group
        is_node = any(name.startswith(f"{key}.") for name in known_keys)
        if override not in chosen and key not in known_keys and not is_node:
            raise unknown("key", key, known_keys, SHOW_KEYS)
    for variant in _variants(overrides):
        cfg, choices = _compose_or_explain(variant)
        check_choices(choices)
        check_values(cfg)
        _check_writable(cfg.output_root)


def _check_writable(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise BadInput(f"output_root={folder} cannot be written: {error.strerror}; name another folder") from error


_OPTIONS_WITH_VALUE = (
    *("--cfg", "-c", "--info", "-i", "--package", "-p"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
)


def _parse(args: list[str]) -> list[Override]:
    lines = []
    for before, arg in zip(["", *args], args, strict=False):
        if arg.startswith("-") or before in _OPTIONS_WITH_VALUE:
            continue
        if "=" not in arg and not arg.startswith("~"):
            raise BadInput(f"{arg!r} is not a setting; settings are written key=value, like task=cifar100")
        lines.append(arg)
    try:
        return OverridesParser.create().parse_overrides(lines)
    except HydraException as error:
        raise BadInput(f"the command line cannot be read: {' '.join(str(error).split())}") from error


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(list(words_of(override.key_or_group)))
    return list(override.sweep_string_iterator())


def _line(override: Override, value: str) -> str:
    return f"{override.get_key_element()}={value}"


def _variants(overrides: list[Override]) -> Iterator[list[str]]:
    first = [_line(override, _values(override)[0]) for override in overrides]
    yield first
    for place, override in enumerate(overrides):
        for value in _values(override)[1:]:
            yield [*first[:place], _line(override, value), *first[place + 1 :]]


def _compose_or_explain(lines: list[str]) -> tuple[DictConfig, dict[str, str]]:
    try:
        cfg, choices = compose(lines)
        as_dict(cfg)
        return cfg, choices
    except (HydraException, OmegaConfBaseException) as error:
        reason = error if error.__cause__ is None else error.__cause__
        raise BadInput(f"the configuration does not compose: {' '.join(str(reason).split())}") from error


# --- naming --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """What a run is called, and the command that makes it again."""

    task: str
    model: str
    data: str
    recipe: str
    act: str
    seed: int
    config_hash: str
    run_id: str
    command: str
    directory: Path
    """`<output_root>/<task>/<recipe>/<act>/s<seed>-<config_hash>`."""
    elsewhere: list[str]
    """The overrides that say where it is kept, which are not part of what it is."""


def identify(cfg: DictConfig, choices: dict[str, str]) -> Identity:
    """The names of the run that `cfg` describes; device and precision must be settled in it.

    Every setting that departs from what the chosen words stand for shows in one of the names, so
    that two runs with the same task, model, data, recipe, act, device and precision differ in their
    seed alone.

    Raises:
        BadInput: a key that no file in configs/ knows, or a name that its word did not choose.
    """
    words = [f"{group}={choices[group]}" for group in ("task", "act", "recipe", "data", "model")]
    usual, usual_choices = compose(words)
    swapped = {group: choices[group] for group in ("optim", "trainer") if choices[group] != usual_choices[group]}
    words += [f"{group}={word}" for group, word in swapped.items()]
    usual, _ = compose(words)
    known, actual = (_canonical(flatten(as_dict(each))) for each in (usual, cfg))
    changed = {
        key: value
        for key, value in actual.items()
        if not _under(key, WHERE_NOT_WHAT) and (key not in known or known[key] != value)
    }
    of_model_name = [key for key in actual if f"${{.{key.removeprefix('model.')}}}" in _unresolved_model_name(cfg)]
    for key in changed:
        if key not in known:
            raise unknown("key", key, known, SHOW_KEYS)
        if key in DECIDED_BY_WORD and not (key == "model.name" and of_model_name):
            raise BadInput(f"{key}={actual[key]} cannot be set; choose with {DECIDED_BY_WORD[key]}=…")

    def label(name: str, group: str) -> str:
        own = {key: value for key, value in changed.items() if _under(key, (group,)) and key not in of_model_name}
        return _with_changes(name, {key.removeprefix(f"{group}."): value for key, value in own.items()})

    of_recipe = {key: value for key, value in changed.items() if not _under(key, OWN_COLUMN)}
    computed = {key: value for key, value in actual.items() if not _under(key, WHERE_NOT_WHAT)}
    computed["trainer.device"] = computed["trainer.device"].split(":")[0]
    config_hash = hashlib.sha256(json.dumps(computed, sort_keys=True).encode()).hexdigest()[:10]
    overrides = dict(changed)
    overrides.pop("model.name", None)
    overrides.update({key: computed[key] for key in ("seed", "trainer.device", "trainer.precision")})
    return Identity(
        task=choices["task"],
        model=label(actual["model.name"], "model"),
        data=label(actual["data.name"], "data"),
        recipe=_with_changes(choices["recipe"], {**of_recipe, **swapped}),
        act=label(actual["act.name"], "act.kwargs"),
        seed=actual["seed"],
        config_hash=config_hash,
        run_id=f"{choices['task']}-{choices['recipe']}-{choices['act']}-s{actual['seed']}-{config_hash}",
        command=shlex.join(
            ["python", "run.py", *words, *(f"{key}={_literal(value)}" for key, value in overrides.items())]
        ),
        directory=Path(
            cfg.output_root,
            *(choices[group] for group in ("task", "recipe", "act")),
            f"s{actual['seed']}-{config_hash}",
        ),
        elsewhere=[
            *([] if choices["logger"] == "none" else [f"logger={choices['logger']}"]),
            *(
                f"{key}={_literal(value)}"
                for key, value in actual.items()
                if _under(key, WHERE_NOT_WHAT) and key != "force" and key in known and known[key] != value
                if not _under(key, ("logger",))
            ),
        ],
    )


def _unresolved_model_name(cfg: DictConfig) -> str:
    return OmegaConf.to_container(cfg, resolve=False)["model"]["name"]


def _canonical(leaves: dict[str, object]) -> dict[str, object]:
    """`leaves` with 2.0 written as 2, so that one value has one name."""

    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    return {key: plain(value) for key, value in leaves.items()}


def _with_changes(name: str, changes: dict[str, object]) -> str:
    changes = {key: value for key, value in changes.items() if key != "name"}
    listed = ", ".join(f"{key}={_literal(value)}" for key, value in sorted(changes.items()))
    return f"{name}({listed})" if listed else name


def _stays_text(value: str) -> bool:
    """Whether Hydra reads `value`, written without quotes, as the same text."""
    if not re.fullmatch(r"[\w./:%@?|+*~-]+", value) or value.lower() in ("null", "true", "false"):
        return False
    try:
        float(value)
    except ValueError:
        return True
    return False


def _literal(value: object) -> str:
    """`value` as Hydra's command line takes it."""
    if isinstance(value, str):
        return value if _stays_text(value) else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value, separators=(",", ":"))
