"""The configuration that installed packages bring: a folder `configs` next to what their entry points name."""

import functools
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

GROUPS = ("carelu.activations", "experiments.tasks")
"""Of activations, which the library loads too, and of tasks: the value names the package, as `task.package` does."""


def installed_folders() -> list[Path]:
    """The folders `configs` of the installed packages that offer activations or tasks, in the order of their names."""
    return list(_installed_folders(tuple(sys.path)))


@functools.lru_cache(maxsize=8)
def _installed_folders(places: tuple[str, ...]) -> tuple[Path, ...]:
    """`installed_folders` while sys.path is `places`: to search it takes as long as to read a configuration."""
    modules = sorted({entry.module for group in GROUPS for entry in entry_points(group=group)})
    return tuple(dict.fromkeys(folder for module in modules for folder in _folders_of(module)))


def _folders_of(module: str) -> list[Path]:
    """The nearest folder `configs` to a module, found without importing it: it may import torch."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    for root in map(Path, (spec and spec.submodule_search_locations) or []):
        for depth in range(len(inner), -1, -1):
            folder = root.joinpath(*inner[:depth], "configs")
            if folder.is_dir():
                return [folder]
    return []
