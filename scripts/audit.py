"""Asks OSV whether one of the versions in constraints.txt has a known vulnerability.

Uses pip-audit, in an environment of its own that is removed again. Where the database cannot be reached it says so and
exits with 0, so that CI does not depend on the network. Exits with 1 if there is a vulnerability.

    python scripts/audit.py
"""

import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

from experiments.errors import BadInput
from experiments.training.job import report_error

ROOT = Path(__file__).parent.parent

DATABASE = "https://api.osv.dev/v1/query"

_SECONDS = 10


def is_reachable(address: str) -> bool:
    """Whether the database answers a question with JSON; a proxy's page of excuses is no answer."""
    question = json.dumps({"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "0"}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, question), timeout=_SECONDS) as answer:
            return isinstance(json.load(answer), dict)
    except (OSError, ValueError):  # URLError is an OSError
        return False


def audited(requirements: Path) -> dict[str, list[dict[str, object]]]:
    """What pip-audit says of the versions in a file, as its JSON.

    Raises:
        BadInput: it cannot be installed, or does not end as it should.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        command = [python, "-m", "pip", "install", "--quiet", "pip-audit>=2.7"]
        if subprocess.run(command).returncode != 0:
            raise BadInput("pip cannot install pip-audit; what it said stands above")
        options = ["--no-deps", "--disable-pip", "--vulnerability-service", "osv", "--format", "json"]
        command = [python, "-m", "pip_audit", "--requirement", requirements, *options, "--progress-spinner", "off"]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        said = " ".join(done.stderr.splitlines()[-1:])
        raise BadInput(f"pip-audit ended with {done.returncode} and no answer: {said}") from error


def findings(answer: dict[str, list[dict[str, object]]]) -> tuple[list[str], list[str]]:
    """(a line for each vulnerability, a line for each package that was not looked up)."""
    found, skipped = [], []
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            skipped.append(f"{package['name']}: {package['skip_reason']}")
        for vulnerability in package.get("vulns", []):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            found.append(f"{package['name']} {package['version']}: {vulnerability['id']}, corrected by {fixed}")
    return found, skipped


def main() -> int:
    """Audits; returns the exit code."""
    if not is_reachable(DATABASE):
        print(f"skipped: {DATABASE} does not answer, so no version was looked up")
        return 0
    try:
        answer = audited(ROOT / "constraints.txt")
    except BadInput as error:
        return report_error(error)
    found, skipped = findings(answer)
    looked_up = len(answer["dependencies"]) - len(skipped)
    for line in [*(f"vulnerable: {each}" for each in found), *(f"not looked up: {each}" for each in skipped)]:
        print(line)
    print(f"{looked_up} versions looked up, {len(found)} known vulnerabilities")
    return 1 if found or not looked_up else 0


if __name__ == "__main__":
    sys.exit(main())
