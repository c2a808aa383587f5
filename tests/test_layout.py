"""Tests lie where the code lies: `experiments/a/b.py` is tested by `tests/experiments/a/test_b.py`."""

import pytest

from tests.conftest import ROOT

PLUGINS = ROOT / "experiments" / "sweep" / "plugins"
"""Found by Hydra under its own name, and tested through the pool and the coordinator."""


def modules(package):
    files = (file for file in (ROOT / package).rglob("*.py") if file.name != "__init__.py")
    return sorted(file.relative_to(ROOT) for file in files if PLUGINS not in file.parents)


@pytest.mark.parametrize("package", ["carelu", "experiments"])
def test_every_module_has_its_test_file(package):
    assert modules(package)
    mirrors = {module: ROOT / "tests" / module.with_name(f"test_{module.name}") for module in modules(package)}
    missing = [str(mirror.relative_to(ROOT)) for mirror in mirrors.values() if not mirror.is_file()]
    assert missing == []


def test_the_root_of_the_suite_holds_only_what_every_package_uses():
    files = {file.name for file in (ROOT / "experiments").glob("*.py")}
    assert files == {"__init__.py", "errors.py", "files.py", "randomness.py"}
