"""Web servers of this machine that give what honest ones do not; they live as long as an input."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hostile import CANARY

__all__ = ["serve", "stop_all", "watched"]

_RUNNING: list[ThreadingHTTPServer] = []
Pieces = Iterator[bytes]


def serve(headers: dict[str, str], pieces: list[bytes], rounds: int, status: int = 200) -> str:
    """Start a server that answers everything with the pieces, again and again; return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            try:
                for _ in range(rounds):
                    for piece in pieces:
                        self.wfile.write(piece)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    return _start(Handler)


def watched(trace: str) -> str:
    """Start a server that nobody is to ask: each request leaves a trace, as code that ran does."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            with open(f"{trace}/{CANARY}", "w", encoding="ascii") as file:
                file.write("asked")
            self.send_response(404)
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    return _start(Handler)


def _start(handler: type[BaseHTTPRequestHandler]) -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    _RUNNING.append(server)
    return f"http://127.0.0.1:{server.server_port}"


def stop_all() -> None:
    """Stop all servers."""
    while _RUNNING:
        server = _RUNNING.pop()
        server.shutdown()
        server.server_close()
