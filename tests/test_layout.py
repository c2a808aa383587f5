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


def test_the_tests_of_faults_mirror_no_module_and_their_faults_are_those_of_the_soak():
    """Damage, signals and full disks concern the whole suite; scripts/soak.py injects the same ones for longer."""
    faults = {file.name for file in (ROOT / "tests" / "faults").glob("*.py")}
    support = {"injections.py", "fuzzing.py", "properties.py", "servers.py"}
    assert support < faults
    assert all(name.startswith("test_") for name in faults - support)
    soak = (ROOT / "scripts" / "soak.py").read_text(encoding="utf-8")
    assert "from tests.faults.injections import" in soak and "from tests.faults.fuzzing import" in soak


def test_the_root_of_the_suite_holds_only_what_every_package_uses():
    files = {file.name for file in (ROOT / "experiments").glob("*.py")}
    assert files == {"__init__.py", "errors.py", "files.py", "randomness.py"}
