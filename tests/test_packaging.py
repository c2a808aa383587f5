"""What is shipped, and what the documents promise about it."""

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from packaging.version import Version

import carelu
from carelu.kernels import build
from tests.conftest import ROOT

BLOCKED = ("torchvision", "hydra", "omegaconf", "wandb", "datasets", "transformers", "rich", "experiments")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_holds_only_the_library(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"carelu"}
    assert {"carelu/functional.py", *(f"carelu/kernels/{source}" for source in build.SOURCES)} <= set(names)


def test_the_wheel_needs_only_torch(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    needs = [line for line in archive.read(metadata).decode().splitlines() if line.startswith("Requires-Dist:")]
    assert [line for line in needs if "extra ==" not in line] == ["Requires-Dist: torch>=2.6"]


def test_the_description_renders_on_an_index(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
    metadata = email.message_from_bytes(archive.read(name))
    description = metadata.get_payload()

    targets = re.findall(r"\]\(([^)]+)\)|(?:src|href)=\"([^\"]+)\"", description)
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert targets and all(link.startswith("https://") for link in map("".join, targets)), targets
    assert "```math" not in description and "<!--" not in description
    assert metadata["Author"] and "ReLU" in metadata["Keywords"]


def test_the_version_is_that_of_the_last_release_or_comes_after_it():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    released = next(Version(heading) for heading in headings if heading != "Unreleased")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    assert Version(cited) == released
    assert Version(carelu.__version__) > released if headings[0] == "Unreleased" else carelu.__version__ == cited


@pytest.mark.slow
def test_the_wheel_works_where_only_torch_is_importable(wheel, tmp_path):
    program = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
sys.path[:] = [{str(wheel)!r}] + [entry for entry in sys.path if entry not in ("", {str(ROOT)!r})]
import carelu, torch
assert {str(wheel)!r} in carelu.__file__
assert torch.equal(carelu.CAReLU()(torch.ones(2, 3)), torch.ones(2, 3))
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, capture_output=True, text=True)


@pytest.mark.slow
def test_the_tests_of_the_library_need_nothing_of_the_suite(tmp_path):
    program = f"""
import sys, pytest
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
files = ["tests/carelu/test_activations.py", "tests/carelu/test_plugins.py", "tests/carelu/integrations"]
sys.exit(pytest.main(["-m", "not slow", "-k", "not compiled", *files]))
"""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # Hydra brings a plugin of pytest
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout
    imports = [line for file in (ROOT / "tests/carelu").rglob("*.py") for line in file.read_text().splitlines()]
    assert [line for line in imports if re.match(r"\s*(from|import) (experiments|scripts)", line)] == []


def test_the_constraints_pin_every_package_that_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(n for extra in project["optional-dependencies"].values() for n in extra)]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    assert {name.split(">=")[0].split("[")[0].lower() for name in named} <= pinned
