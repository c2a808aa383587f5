"""Servers that pretend to be W&B and are broken, for `scripts/soak.py`."""

import contextlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = ("refuses", "hangs", "answers 500", "answers garbage", "hangs after some answers")


@contextlib.contextmanager
def broken_server(kind: str) -> Iterator[dict[str, str]]:
    """A server of one of `KINDS` on this machine; yields the environment with which W&B talks to it."""
    answered: list[int] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if kind == "hangs" or (kind == "hangs after some answers" and len(answered) >= 3):
                over.wait()
                return
            answered.append(1)
            body = b'{"data": null}' if kind == "hangs after some answers" else os.urandom(200)
            self.send_response(500 if kind == "answers 500" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = server.server_port
    if kind == "refuses":
        server.server_close()
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"WANDB_BASE_URL": f"http://127.0.0.1:{port}", "WANDB_API_KEY": "0" * 40, "WANDB_MODE": "online"}
    finally:
        over.set()
        if kind != "refuses":
            server.shutdown()
            server.server_close()
