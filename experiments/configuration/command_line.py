"""Checks a command line before any work starts, and lists the runs of a sweep.

Imports neither torch nor data, so that a typing error is reported at once.
"""

import itertools
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.arguments import arranged, refuse_code, settings_of
from experiments.configuration.composition import (
    GROUPS,
    GROUPS_BY_TASK,
    LAUNCHER,
    SET_BY_GROUP,
    SHOW_KEYS,
    SWEEPER,
    as_dict,
    compose,
    compose_with_hydra,
    config_folders,
    flatten,
    launchers,
    options_of,
    sweepers,
)
from experiments.configuration.launcher import check_launcher_options
from experiments.configuration.schema import check_choices, validate
from experiments.configuration.sweeper import (
    BASIC,
    VERDICT,
    Comparison,
    VerdictOptions,
    check_sweeper,
    read_comparisons,
    read_verdict_options,
)
from experiments.errors import BadInput, one_line, unknown
from experiments.files import check_writable


@dataclass(frozen=True)
class SweepPlan:
    """What `python run.py -m …` asks for.

    Args:
        jobs: the overrides of each run, in the order in which Hydra starts them; None where the sweeper chooses them as
            it goes.
        folder: the folder of the sweep's record; a second sweep there gets a folder next to it.
        launcher: the option of hydra/launcher.
        ledger: where its runs are recorded.
        logger: the chosen file of configs/logger.
        sweeper: the option of hydra/sweeper.
        comparisons: what hydra/sweeper=verdict decides.
        verdict: its options; None for another sweeper.
        launcher_options: `hydra.launcher.*`.
    """

    jobs: list[list[str]] | None
    folder: Path
    launcher: str
    ledger: Path
    logger: DictConfig
    sweeper: str = BASIC
    comparisons: Sequence[Comparison] = ()
    verdict: VerdictOptions | None = None
    launcher_options: Mapping[str, Any] = field(default_factory=dict)


def check_command(args: list[str]) -> SweepPlan | None:
    """The sweep that a command line requests, or None for a single run or a listing.

    The options may stand anywhere in it. Each value of a sweep is tried once, with the first value of the others.

    Raises:
        BadInput: a key or value does not exist, is out of range or does not fit the others.
    """
    args = arranged(args)
    if "--shell-completion" in args:
        return None
    given = _parse(args)
    sweeping = "--multirun" in args
    listing = bool({"--cfg", "--info"} & set(args))
    if sweeping and listing:
        raise BadInput("-m runs a sweep and --cfg or --info shows one configuration; leave one out")
    for override in given:
        if override.is_delete():
            raise BadInput(f"{override.input_line}: a key cannot be removed, only given another value")
    of_hydra = [override for override in given if override.key_or_group.startswith("hydra")]
    overrides = [override for override in given if override not in of_hydra]
    refuse_code(of_hydra)
    if not listing:
        _check_hydra(of_hydra, sweeping)
    sweeper = next((_values(override)[-1] for override in of_hydra if override.key_or_group == SWEEPER), BASIC)
    if sweeping:
        check_sweeper(sweeper, overrides)
    overrides = _with_the_experiment(overrides, sweeping, listing)
    if sweeper == VERDICT:
        overrides = [override for override in overrides if override.key_or_group != "seed"]  # of the experiment
    _check_words(overrides, sweeping)
    _check_keys(overrides)
    devices = set()
    for variant in _variants(overrides):
        lines = [*map(_first_line, of_hydra), *variant]
        cfg = _compose_or_explain(lines)
        settings, _ = compose(lines)
        check_choices(dict(cfg.hydra.runtime.choices))
        validate(settings)
        check_writable("output_root", settings.output_root)
        check_writable("hydra.run.dir", cfg.hydra.run.dir)
        devices.add(settings.trainer.device)
    if not sweeping:
        return None
    _check_devices(devices, cfg.hydra.runtime.choices[LAUNCHER])
    lines = [[_line(override, value) for value in _values(override)] for override in overrides]
    cfg = _compose_or_explain([*map(_first_line, of_hydra), *(each[0] for each in lines if len(each) == 1)])
    launcher = cfg.hydra.runtime.choices[LAUNCHER]
    check_writable("hydra.sweep.dir", str(Path(cfg.hydra.sweep.dir).parent))
    plan = SweepPlan(
        jobs=[list(job) for job in itertools.product(*lines)] if sweeper == BASIC else None,
        folder=Path(cfg.hydra.sweep.dir),
        launcher=launcher,
        ledger=Path(cfg.output_root, "ledger.csv"),
        logger=cfg.logger,
        sweeper=sweeper,
        launcher_options=OmegaConf.to_container(cfg.hydra.launcher),
    )
    if sweeper != VERDICT:
        return plan
    options = read_verdict_options(OmegaConf.to_container(cfg.hydra.sweeper))
    return replace(plan, comparisons=read_comparisons(lines, options, launcher), verdict=options)


def _check_hydra(of_hydra: list[Override], sweeping: bool) -> None:
    """Raises `BadInput` for a launcher or sweeper or an option of it that does not exist or is out of range."""
    for override in of_hydra:
        if override.key_or_group.startswith("hydra.sweeper.params"):
            raise BadInput(f"{override.input_line}: give the values themselves, like seed=0,1,2, or +experiment=NAME")
        if override.is_sweep_override():
            raise BadInput(f"{override.input_line} gives several values; one sweep has one {override.key_or_group}")
    choices = [override for override in of_hydra if override.key_or_group == LAUNCHER]
    for override in choices:
        if _values(override)[0] not in launchers():
            raise unknown(LAUNCHER, _values(override)[0], launchers())
    about_launcher = [o for o in of_hydra if o in choices or o.key_or_group.startswith("hydra.launcher.")]
    about_sweeper = [o for o in of_hydra if o.key_or_group == SWEEPER or o.key_or_group.startswith("hydra.sweeper.")]
    for override in (*about_launcher, *about_sweeper):
        if not sweeping:
            raise BadInput(f"{override.input_line} is for sweeps; to sweep: python run.py -m …")
    usual = _compose_or_explain([_first_line(override) for override in choices])
    known = flatten(OmegaConf.to_container(usual.hydra.launcher), "hydra.launcher")
    for override in about_launcher:
        key = override.key_or_group
        is_option = any(name == key or name.startswith(f"{key}.") for name in known)
        is_for_slurm = key.startswith("hydra.launcher.additional_parameters.")
        if override not in choices and not is_option and not is_for_slurm:
            raise unknown(f"option of hydra/launcher={usual.hydra.runtime.choices[LAUNCHER]}", key, known)
    _check_options_of_sweeper(about_sweeper)
    check_launcher_options({o.key_or_group: o.value() for o in about_launcher if o not in choices})
    if usual.hydra.runtime.choices[LAUNCHER] == "submitit_slurm" and not shutil.which("sbatch"):
        raise BadInput(
            "hydra/launcher=submitit_slurm needs Slurm, and there is no `sbatch` on this machine; "
            "give the command on a cluster's login node, or use hydra/launcher=pool"
        )


def _check_options_of_sweeper(about_sweeper: list[Override]) -> None:
    """Raises `BadInput` for an option that the sweeper does not have, if it is one of this project or the basic one."""
    usual = _compose_or_explain(
        [_first_line(override) for override in about_sweeper if override.key_or_group == SWEEPER]
    )
    sweeper, known = usual.hydra.runtime.choices[SWEEPER], set(usual.hydra.sweeper) - {"_target_", "params"}
    known = {f"hydra.sweeper.{name}" for name in known}
    for override in about_sweeper:
        if sweeper in sweepers() and override.key_or_group not in (SWEEPER, *known):
            raise unknown(f"option of {SWEEPER}={sweeper}", override.key_or_group, known)


def _check_devices(devices: set[str], launcher: str) -> None:
    """Raises `BadInput` for values of trainer.device that do not fit a pool, which gives each run its GPU."""
    if launcher != "pool":
        return
    named = next((device for device in sorted(devices) if device.startswith("cuda:")), None)
    if named:
        raise BadInput(
            f"trainer.device={named} is not accepted with hydra/launcher=pool, which gives each run a GPU; "
            f"leave it out, and choose GPUs with CUDA_VISIBLE_DEVICES={named.removeprefix('cuda:')}"
        )
    if len(devices) > 1:
        raise BadInput(
            f"trainer.device={','.join(sorted(devices))} is not accepted with hydra/launcher=pool; "
            "accepted: one device for the whole sweep; sweep the devices one by one"
        )


def _with_the_experiment(overrides: list[Override], sweeping: bool, listing: bool) -> list[Override]:
    """`overrides` over the sweep that `+experiment=NAME` holds.

    Raises:
        BadInput: there is no such experiment, several are named, or it is a sweep and -m is missing.
    """
    experiments = [override for override in overrides if override.key_or_group == "experiment"]
    names = [name for override in experiments for name in _values(override)]
    for name in names:
        if name not in options_of("experiment"):
            raise unknown("experiment", name, options_of("experiment"))
    if len(names) > 1:
        raise BadInput(f"{experiments[0].input_line} names several experiments; sweep them one by one")
    params = _compose_or_explain([_first_line(override) for override in experiments]).hydra.sweeper.params or {}
    if params and not (sweeping or listing):
        line = experiments[0].input_line
        raise BadInput(f"{line} is a sweep, not one run; to run it: python run.py -m {line}")
    if not sweeping:  # a listing shows what all runs share
        return overrides
    params = _read([f"{key}={value}" for key, value in params.items()])
    return list({override.key_or_group: override for override in [*params, *overrides]}.values())


def _check_words(overrides: list[Override], sweeping: bool) -> None:
    for override in overrides:
        group = override.key_or_group
        if group in SET_BY_GROUP and "." in group:
            raise BadInput(f"{override.input_line}: {group} cannot be set; choose with {SET_BY_GROUP[group]}=…")
        if override.is_sweep_override() and not sweeping:
            raise BadInput(f"{override.input_line} gives several values; to sweep over them: python run.py -m …")
        if not _values(override):
            accepted = ", ".join(options_of(group)) or "at least one value"
            raise BadInput(f"{override.input_line} matches nothing; accepted: {accepted}")
        if group in GROUPS:
            known = options_of(group)
            for word in _values(override):
                if word.startswith("["):
                    more = "; more loggers: logger.also=[csv,tensorboard]" if group == "logger" else ""
                    raise BadInput(f"{override.input_line} is a list, and {group} takes one option{more}")
                if word not in known:
                    own = f"a file {group}/{word}.yaml of your own is found with --config-dir FOLDER"
                    raise unknown(group, word, known, f"Accepted: {', '.join(sorted(known))}; {own}")


def _check_keys(overrides: list[Override]) -> None:
    chosen = [o for o in overrides if o.key_or_group in GROUPS or o.key_or_group == "experiment"]
    lines = [_first_line(override) for override in chosen]
    check_choices(dict(_compose_or_explain(lines).hydra.runtime.choices))
    known = flatten(as_dict(compose(lines)[0]))
    for override in overrides:
        key = override.key_or_group
        is_node = any(name.startswith(f"{key}.") for name in known)
        if override not in chosen and key not in known and not is_node:
            raise unknown("key", key, known, SHOW_KEYS)


def _parse(args: list[str]) -> list[Override]:
    lines = []
    for arg in settings_of(args):
        if "=" not in arg and not arg.startswith("~"):
            raise BadInput(f"{arg!r} is not a setting; settings are written key=value, like task=cifar100")
        lines.append(arg)
    return _read(lines)


def _read(lines: list[str]) -> list[Override]:
    try:
        return OverridesParser.create().parse_overrides(lines)
    except HydraException as error:
        raise BadInput(f"the command line cannot be read: {one_line(error)}") from error


def _values(override: Override) -> list[str]:
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value = override.value()
    if isinstance(value, Glob):
        return value.filter(list(options_of(override.key_or_group)))
    if isinstance(value, IntervalSweep):  # its ends stand for all values
        return [str(value.start), str(value.end)]
    return list(override.sweep_string_iterator())


def _line(override: Override, value: str) -> str:
    return f"{override.get_key_element()}={value}"


def _first_line(override: Override) -> str:
    return _line(override, _values(override)[0])


def _variants(overrides: list[Override]) -> Iterator[list[str]]:
    first = [_first_line(override) for override in overrides]
    yield first
    for place, override in enumerate(overrides):
        for value in _values(override)[1:]:
            yield [*first[:place], _line(override, value), *first[place + 1 :]]


def _compose_or_explain(lines: list[str]) -> DictConfig:
    try:
        as_dict(compose(lines)[0])
        return compose_with_hydra(lines)
    except yaml.YAMLError as error:
        raise BadInput(f"a file of the configuration is not YAML: {one_line(error)}") from error
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(str(error if error.__cause__ is None else error.__cause__).split())
        missing = re.search(r"Could not find '(?P<group>[\w/]+)/(?P<option>[^'/]+)'", reason)
        if missing:
            raise _no_file(**missing.groupdict()) from error
        raise BadInput(f"the configuration does not compose: {reason}") from error


def _no_file(group: str, option: str) -> BadInput:
    """The error for an option that a file of the configuration names, like `- override /model: mlp`."""
    group, _, task = group.partition("/") if group.partition("/")[0] in GROUPS_BY_TASK else (group, "", "")
    file = f"{group}/{task or ('<task>' if group in GROUPS_BY_TASK else '')}/{option}.yaml".replace("//", "/")
    folders = " or ".join(map(str, config_folders()))
    known = ", ".join(options_of(group, task or None)) if task or group not in GROUPS_BY_TASK else ""
    return BadInput(
        f"there is no file {file} in {folders}, but a file of the configuration chooses {group}: {option}; "
        + ("write it" if not known else f"write it or choose another; accepted: {known}")
    )
