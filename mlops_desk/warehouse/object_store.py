"""An object store as pyarrow.fs opens it: listing, looking at and reading objects, with retries and a cancel that need not wait for the network.

Credentials come from where each cloud's own tools look (environment, profile files, the machine's role), and the region and the endpoint
of S3 from desk.toml, AWS_REGION, AWS_ENDPOINT_URL or the profile. S3 is tested against a server; gs and abfs take the same way and are not.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.config.object_path import ObjectPath
from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import CancelToken

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyarrow.lib import NativeFile

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
"""How long to wait for a connection, and for an answer that does not go on."""
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.25
"""Before the second attempt; each later pause is twice as long."""
PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")
"""Of environment variables that say how the clouds are reached."""
TRANSIENT = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|THROTTLING|HTTP status (429|5\d\d)"
    r"|Unavailable|DeadlineExceeded|timed? ?out|Connection reset|expected .* bytes",
    re.IGNORECASE,
)

Result = TypeVar("Result")


class ObjectState(Struct, frozen=True, kw_only=True):
    """An object as its store tells of it: key with the bucket before it, bytes, nanoseconds since 1970, the name of its content if known."""

    key: str
    size: int
    modified: int
    etag: str = ""


class ObjectStore:
    """The store behind one path, opened when it is first asked; every failure is a UserError that begins with `place`, a key of desk.toml."""

    def __init__(self, path: ObjectPath, access: ObjectAccess, place: str, cancel: CancelToken | None = None) -> None:
        self._path = path
        self._access = access
        self._place = place
        self._cancel = cancel or CancelToken()
        self._files: FileSystem | None = None
        self._lock = threading.Lock()

    def listed(self, folder: str, *, below: bool) -> list[ObjectState] | None:
        """The objects of a folder, with those of folders below it where asked; None where there is no such folder."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(folder, recursive=below)
        with self._told(folder):
            try:
                found = self._tried(lambda: self._system().get_file_info(selector))
            except FileNotFoundError:
                return None
        return [
            ObjectState(key=one.path, size=one.size, modified=one.mtime_ns)
            for one in found
            if one.type == FileType.File and not one.path.endswith("/")
        ]

    def state(self, key: str, *, named: bool) -> ObjectState | None:
        """An object as it is now, with the name of its content where asked; None where there is none."""
        from pyarrow.fs import FileType

        with self._told(key):
            info = self._tried(lambda: self._system().get_file_info(key))
            if info.type != FileType.File:
                return None
            try:
                etag = self._tried(lambda: _etag(self._system(), key)) if named else ""
            except FileNotFoundError:
                return None
        return ObjectState(key=key, size=info.size, modified=info.mtime_ns, etag=etag)

    def opened(self, key: str) -> NativeFile:
        """An object for reading at any place, by any thread."""
        with self._told(key):
            return self._tried(lambda: self._system().open_input_file(key))

    def read(self, file: NativeFile, key: str, start: int, size: int) -> bytes:
        """So many bytes of an object that was opened."""

        def all_of_it() -> bytes:
            body: bytes = file.read_at(size, start)
            if len(body) != size:
                raise OSError(f"expected {size} bytes, got {len(body)}")
            return body

        with self._told(key):
            return self._tried(all_of_it)

    def _system(self) -> FileSystem:
        with self._lock:
            if self._files is None:
                self._files = _opened(self._path, self._access, self._place)
            return self._files

    def _tried(self, work: Callable[[], Result]) -> Result:
        """What comes of some work, which is begun anew after a pause where the store is busy or out of reach for a moment."""
        for attempt in range(1, ATTEMPTS):
            try:
                return _awaited(work, self._cancel)
            except OSError as error:
                if TRANSIENT.search(str(error)) is None:
                    raise
            _pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), self._cancel)
        return _awaited(work, self._cancel)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Raises UserError in place of what a store or its client says."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ValueError) as error:
            url = f"{self._path.scheme}://{self._path.bucket}{key.removeprefix(self._path.container)}"
            raise UserError(f"{self._place}: {_explained(url, self._path, self._access, str(error))}") from error


def _etag(files: FileSystem, key: str) -> str:
    with files.open_input_stream(key) as stream:
        name: bytes = (stream.metadata() or {}).get("ETag", b"")
        return name.decode("ascii", "replace").strip('"')


def _awaited(work: Callable[[], Result], cancel: CancelToken) -> Result:
    """The result of work that waits for the network, done on a thread of its own, which a cancel leaves behind."""
    results: list[Result] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            failures.append(error)
        finally:
            over.set()

    cancel.raise_if_cancelled()
    forget = cancel.on_cancel(over.set)
    try:
        threading.Thread(target=run, name="objects", daemon=True).start()
        over.wait()
    finally:
        forget()
    if failures:
        raise failures.pop()
    if not results:
        raise Cancelled
    return results[0]


def _pause(seconds: float, cancel: CancelToken) -> None:
    """Waits, but not for somebody who has asked to stop."""
    stirred = threading.Event()
    forget = cancel.on_cancel(stirred.set)
    try:
        stirred.wait(seconds)
    finally:
        forget()
    cancel.raise_if_cancelled()


def _opened(path: ObjectPath, access: ObjectAccess, place: str) -> FileSystem:
    """The file system of a path; where pyarrow was built without it, UserError says so."""
    account = path.bucket.partition("@")[2].partition(".")[0]
    if path.scheme == "s3":
        access = _s3_access(path, access)
    try:
        return _shared(path.scheme, account, access, _surroundings())
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{place}: this build of pyarrow cannot read {path.scheme}://; copy the files to a folder"
        ) from error


@lru_cache(maxsize=8)
def _shared(scheme: str, account: str, access: ObjectAccess, _: tuple[object, ...]) -> FileSystem:
    """One file system for all that ask alike: to make a second one, pyarrow waits until no request of the first is under way."""
    from datetime import timedelta

    import pyarrow.fs

    host = None if access.endpoint is None else access.endpoint.partition("://")[2].rstrip("/")
    if scheme == "s3":
        authorities = _first_of("AWS_CA_BUNDLE")
        return pyarrow.fs.S3FileSystem(
            proxy_options=_proxy(access.endpoint or "https://amazonaws.com"),
            **({} if authorities is None else {"tls_ca_file_path": authorities}),
            anonymous=access.anonymous,
            region=access.region,
            endpoint_override=access.endpoint,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=ANSWER_SECONDS,
            retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )
    if scheme == "gs":
        return pyarrow.fs.GcsFileSystem(
            anonymous=access.anonymous, endpoint_override=host, retry_time_limit=timedelta(seconds=ANSWER_SECONDS)
        )
    return pyarrow.fs.AzureFileSystem(
        account_name=account,
        account_key=os.environ.get("AZURE_STORAGE_KEY"),
        blob_storage_authority=host,
        dfs_storage_authority=host,
    )


def _proxy(endpoint: str) -> str | None:
    """The proxy of this machine for an address, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY or the system's settings; None where there is none."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(endpoint)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _surroundings() -> tuple[object, ...]:
    """What of this machine says how stores are reached: when it changes, they are opened anew."""
    variables = (one for one in os.environ.items() if one[0].startswith(PREFIXES) or one[0].upper().endswith("_PROXY"))
    files = (_aws_file("AWS_CONFIG_FILE", "config"), _aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))
    return (*sorted(variables), *(file.stat().st_mtime_ns if file.exists() else None for file in files))


def _s3_access(path: ObjectPath, access: ObjectAccess) -> ObjectAccess:
    """How S3, or what speaks like it behind an endpoint, is reached: as desk.toml says, else the environment, else the profile."""
    from pyarrow.fs import resolve_s3_region

    profile = _profile()
    endpoint = access.endpoint or _first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or profile.get("endpoint_url")
    region = access.region or _first_of("AWS_REGION", "AWS_DEFAULT_REGION") or profile.get("region")
    if region is None and endpoint is None:
        region = resolve_s3_region(path.bucket)
    return replace(access, endpoint=endpoint, region=region or "us-east-1")


def _first_of(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _aws_file(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or Path("~/.aws", name)).expanduser()


def _profile() -> dict[str, str]:
    """What the configuration file of AWS says of the profile in use, and nothing where it cannot be read."""
    from configparser import ConfigParser, Error

    name = _first_of("AWS_PROFILE", "AWS_DEFAULT_PROFILE") or "default"
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(_aws_file("AWS_CONFIG_FILE", "config"), encoding="utf-8")
    except (Error, UnicodeDecodeError):
        return {}
    section = name if name == "default" else f"profile {name}"
    return dict(parser[section]) if parser.has_section(section) else {}


def _has_s3_credentials() -> bool:
    """Whether anything on this machine names credentials for S3, as far as can be seen without asking for them."""
    named = _first_of(
        "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )  # fmt: skip
    return named is not None or _aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials").exists()


def _explained(url: str, path: ObjectPath, access: ObjectAccess, text: str) -> str:
    """What a store's refusal means, in one line with the way out."""
    where = f" at {access.endpoint}" if access.endpoint else ""
    said = re.sub(
        r" ?\(Request ID: [^)]*\)|; Details:.*", "", text.split(" operation: ", 1)[-1].strip().splitlines()[0]
    )
    if "NO_SUCH_BUCKET" in text:
        return f"there is no bucket {path.bucket}{where}: mend the path"
    if re.search(r"ACCESS_DENIED|HTTP status (401|403)|PermissionDenied", text):
        if path.scheme == "s3" and not access.anonymous and not _has_s3_credentials():
            return (
                f"{url} may not be read without credentials, and none are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                " name a profile in AWS_PROFILE, or, if the bucket is public, write anonymous = true beside path"
            )
        return f"access to {url} is denied: the credentials in use must be allowed to list the bucket and to read its objects"
    if re.search(
        r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN|ExpiredToken", text
    ):
        return f"the credentials for {url} are refused ({said}): renew them in the environment or in ~/.aws"
    if "REQUEST_TIME_TOO_SKEWED" in text:
        return f"{url}: the store refuses the clock of this machine: set it right"
    if re.search(r"HTTP status 301|PermanentRedirect|AuthorizationHeaderMalformed", text):
        return f"{url} is in another region: write region beside path, or set AWS_REGION"
    if TRANSIENT.search(text):
        return (
            f"{url} cannot be read: the store{where} does not answer as it should ({said}), {ATTEMPTS} times in a row"
        )
    return f"{url} cannot be read: {said}"
