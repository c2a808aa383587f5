"""The audit: without its database it says so and blocks nothing; with it a vulnerability is an error."""

import contextlib
import http.server
import threading

import pytest

from scripts import audit
from scripts.audit import findings, is_reachable

VULNERABLE = {"name": "torch", "version": "2.6.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.7.0", "2.6.1"]}]}
UNPATCHED = {"name": "numpy", "version": "1.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SOUND = {"name": "rich", "version": "15.0.0", "vulns": []}
SKIPPED = {"name": "own", "skip_reason": "Dependency not found on PyPI"}


@contextlib.contextmanager
def answering(body: bytes):
    """The address of a server that answers every question with `body`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_only_json_is_an_answer():
    with answering(b"{}") as address:
        assert is_reachable(address)
    assert not is_reachable(address)  # nothing listens there any more
    with answering(b"<html>sign in to the network</html>") as address:
        assert not is_reachable(address)


def test_without_the_database_it_says_so_and_blocks_nothing(monkeypatch, capsys):
    monkeypatch.setattr(audit, "is_reachable", lambda address: False)
    monkeypatch.setattr(audit, "audited", lambda file: pytest.fail("asked"))
    assert audit.main() == 0
    assert capsys.readouterr().out.startswith("skipped: https://api.osv.dev")


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([SOUND], 0, "1 versions looked up, 0 known vulnerabilities"),
        ([SOUND, SKIPPED], 0, "not looked up: own: Dependency not found on PyPI"),
        ([SOUND, VULNERABLE], 1, "vulnerable: torch 2.6.0: PYSEC-1, corrected by 2.7.0, 2.6.1"),
        ([UNPATCHED], 1, "PYSEC-2, corrected by no version yet"),
        ([], 1, "0 versions looked up"),
        ([SKIPPED], 1, "0 versions looked up"),
    ],
    ids=["sound", "one unknown", "vulnerable", "unpatched", "nothing", "nothing looked up"],
)
def test_a_vulnerability_or_an_empty_answer_is_an_error(monkeypatch, capsys, packages, code, said):
    monkeypatch.setattr(audit, "is_reachable", lambda address: True)
    monkeypatch.setattr(audit, "audited", lambda file: {"dependencies": packages})
    assert audit.main() == code
    assert said in capsys.readouterr().out


def test_findings_tell_vulnerable_from_skipped():
    found, skipped = findings({"dependencies": [SOUND, VULNERABLE, SKIPPED]})
    assert (len(found), len(skipped)) == (1, 1)
