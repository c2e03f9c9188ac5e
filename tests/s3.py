"""An S3 server on this machine for tests, and a proxy before it that counts what is asked and fails as it is told."""

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector, S3FileSystem

BUCKET = "desk-tests"
STARTED_WITHIN_SECONDS = 60
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def moto_server() -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Bucket:
    """A bucket of the server with a prefix of its own."""

    def __init__(self, endpoint: str, prefix: str) -> None:
        self.endpoint = endpoint
        self.prefix = prefix
        self.files = S3FileSystem(
            access_key="a", secret_key="b", region="us-east-1", endpoint_override=endpoint, allow_bucket_creation=True
        )
        self.files.create_dir(BUCKET)

    @property
    def url(self) -> str:
        return f"s3://{BUCKET}/{self.prefix}"

    def put(self, key: str, body: bytes) -> None:
        with self.files.open_output_stream(f"{BUCKET}/{self.prefix}/{key}") as stream:
            stream.write(body)

    def put_folder(self, folder: Path, below: str) -> None:
        """Every Parquet file of a folder, under its name there."""
        for file in sorted(folder.rglob("*.parquet")):
            self.put("/".join(filter(None, (below, file.relative_to(folder).as_posix()))), file.read_bytes())

    def remove(self, key: str) -> None:
        self.files.delete_file(f"{BUCKET}/{self.prefix}/{key}")

    def keys(self) -> list[str]:
        found = self.files.get_file_info(FileSelector(f"{BUCKET}/{self.prefix}", recursive=True))
        return sorted(one.path for one in found if one.is_file)


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str, home: Path, **variables: str) -> None:
    """Lets the environment lead to a server, with nothing of this machine's own credentials."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name, value in (CREDENTIALS | variables).items():
        monkeypatch.setenv(name, value)


Answer = Callable[[str, str], int | str | None]
"""What to do with a request of a method and path: pass it on (None), answer with a status, or `hang` or `cut` in place of an answer."""


class Proxy:
    """A server before the server: counts connections, keeps requests, and answers some itself. Hanging ends with the proxy."""

    def __init__(self, target: str, answer: Answer = lambda method, path: None) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[str] = []
        self.connections = 0
        self.released = threading.Event()
        self.hanging = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(target))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, method: str, pattern: str = "") -> int:
        return sum(one == method and re.search(pattern, path) is not None for one, path in self.requests)

    def _handler(self, target: str) -> type[http.server.BaseHTTPRequestHandler]:
        proxy, host = self, target.removeprefix("http://")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                proxy.connections += 1
                super().setup()

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                proxy.requests.append((self.command, self.path))
                proxy.authorizations.append(self.headers.get("Authorization", ""))
                answer = proxy.answer(self.command, self.path)
                if answer == "hang":
                    proxy.hanging.set()
                    proxy.released.wait()
                    self.close_connection = True
                elif isinstance(answer, int):
                    self._send(answer, {}, b"")
                else:
                    self._pass_on(cut=answer == "cut")

            def do_HEAD(self) -> None:
                self.do_GET()

            def _pass_on(self, *, cut: bool) -> None:
                connection = http.client.HTTPConnection(host)
                path = re.sub("^http://[^/]*", "", self.path)  # a proxy of the system is asked with the whole address
                connection.request(self.command, path, headers={**self.headers, "Host": host})
                response = connection.getresponse()
                body = response.read()
                headers = {
                    name: value
                    for name, value in response.headers.items()
                    if name.lower() not in ("connection", "transfer-encoding")
                }
                self._send(response.status, headers, body, cut=cut)
                connection.close()

            def _send(self, status: int, headers: Mapping[str, str], body: bytes, *, cut: bool = False) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = cut

        return Handler
