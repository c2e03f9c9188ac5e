"""The file systems of pyarrow.fs behind object stores, as desk.toml and this machine say that they are reached.

Credentials come from where each cloud's own tools look (environment, profile files, the machine's role); the region and the endpoint of S3
from desk.toml, AWS_REGION, AWS_ENDPOINT_URL or the profile.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlops_desk.config.object_path import ObjectPath
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""How long to wait for a connection, and for an answer that does not go on."""
PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "CLOUDSDK_")
"""Of environment variables that say how the clouds are reached."""


def file_system(path: ObjectPath, access: ObjectAccess, place: str) -> FileSystem:
    """The file system of a path; where pyarrow was built without it, UserError says so."""
    host = path.bucket.partition("@")[2]
    if path.scheme == "s3":
        access = _s3_access(path, access)
    try:
        return _shared(path.scheme, host, access, _surroundings())
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{place}: this build of pyarrow cannot read {path.scheme}://; copy the files to a folder"
        ) from error


@lru_cache(maxsize=8)
def _shared(scheme: str, host: str, access: ObjectAccess, _: tuple[object, ...]) -> FileSystem:
    """One file system for all that ask alike: to make a second one, pyarrow waits until no request of the first is under way."""
    if scheme == "s3":
        return _s3(access)
    spoken, address = (access.endpoint.rstrip("/") if access.endpoint else "://").split("://")
    return _gs(access, spoken, address) if scheme == "gs" else _abfs(host, spoken, address)


def _s3(access: ObjectAccess) -> FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    options = _given(
        tls_ca_file_path=_first_of("AWS_CA_BUNDLE"), proxy_options=_proxy(access.endpoint or "https://amazonaws.com")
    )
    return S3FileSystem(
        anonymous=access.anonymous,
        region=access.region,
        endpoint_override=access.endpoint,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=ANSWER_SECONDS,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
        **options,
    )


def _gs(access: ObjectAccess, spoken: str, address: str) -> FileSystem:
    from datetime import timedelta

    from pyarrow.fs import GcsFileSystem

    patience = timedelta(seconds=ANSWER_SECONDS)
    options = _given(scheme=spoken, endpoint_override=address)
    return GcsFileSystem(anonymous=access.anonymous, retry_time_limit=patience, **options)


def _abfs(host: str, spoken: str, address: str) -> FileSystem:
    """The account of a host such as `account.dfs.core.windows.net`, or of one behind an address of its own."""
    from pyarrow.fs import AzureFileSystem

    account, *service = host.split(".")
    domain = ".".join(service[1:])
    key = _first_of("AZURE_STORAGE_KEY")
    options = _given(
        account_key=key,
        sas_token=None if key else _first_of("AZURE_STORAGE_SAS_TOKEN"),
        blob_storage_authority=address or (domain and f".blob.{domain}"),
        dfs_storage_authority=address or (domain and f".dfs.{domain}"),
        blob_storage_scheme=spoken,
        dfs_storage_scheme=spoken,
    )
    return AzureFileSystem(account_name=account, **options)


def _given(**options: str | None) -> dict[str, str]:
    """Those of some options that say something; older builds of pyarrow do not know all of them."""
    return {name: value for name, value in options.items() if value}


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

    endpoint = s3_endpoint(access)
    region = access.region or _first_of("AWS_REGION", "AWS_DEFAULT_REGION") or _profile().get("region")
    if region is None and endpoint is None:
        region = resolve_s3_region(path.bucket)
    return replace(access, endpoint=endpoint, region=region or "us-east-1")


def s3_endpoint(access: ObjectAccess) -> str | None:
    """The address of a server other than Amazon's own."""
    named = access.endpoint or _first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    return named or _profile().get("endpoint_url")


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


def has_s3_credentials() -> bool:
    """Whether anything on this machine names credentials for S3, as far as can be seen without asking for them."""
    named = _first_of(
        "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )  # fmt: skip
    return named is not None or _aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials").exists()
