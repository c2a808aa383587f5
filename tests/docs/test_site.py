"""The site of docs/, built as `make docs` builds it."""

import os
import shutil
import subprocess
import sys

import pytest

from carelu import activation_names
from experiments.report.activation_pages import pages
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

pytest.importorskip("zensical", reason="the extra `docs` is not installed")
pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
pytest.importorskip("latex2mathml", reason="the extra `docs` is not installed")


@pytest.fixture(scope="module")
def generated():
    return pages(ROOT / "results/benchmarks")


@pytest.fixture
def checkout(tmp_path, generated):
    """A copy of what the site is made from."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("activations"))
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    for package in ("carelu", "experiments"):
        (tmp_path / package).symlink_to(ROOT / package)
    (tmp_path / "docs/activations").mkdir()
    for name, content in generated.items():
        (tmp_path / "docs/activations" / name).write_bytes(content)
    return tmp_path


def build(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_site_builds_without_a_warning_with_a_page_for_each_activation(checkout):
    done = build(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in activation_names():
        assert (checkout / f"site/activations/{name}.html").exists()
    api = (checkout / "site/api.html").read_text(encoding="utf-8")
    assert "starts exactly as ReLU" in api, "the API page does not show CAReLU's docstring"
    assert "<math" in (checkout / "site/kernels.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("mistake", ["[dead](no-such-page.md)", "[dead](running.md#no-such-heading)"])
def test_a_dead_link_is_an_error(checkout, mistake):
    with (checkout / "docs/index.md").open("a", encoding="utf-8") as stream:
        stream.write(f"\n{mistake}\n")
    assert build(checkout).returncode != 0
