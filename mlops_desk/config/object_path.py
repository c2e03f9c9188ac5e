"""Paths of object stores, `s3://bucket/prefix/*.parquet` and its like: what they name, and what is wrong with one.

A path never holds a secret: credentials come from the environment or the usual files, and one that is written into a path is refused unshown.
"""

from __future__ import annotations

import re

from msgspec import Struct

SCHEMES = ("s3", "gs", "abfs", "abfss")
OTHER_NAMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "abfs", "wasb": "abfs", "wasbs": "abfss", "adl": "abfs"}
"""What other programs call the same stores."""
PATTERN_CHARACTERS = "*?["
CREDENTIALS = (
    "credentials do not belong into desk.toml: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment,"
    " or name a profile of ~/.aws in AWS_PROFILE"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_OPTIONS = re.compile(r"\?[A-Za-z_]+=")


class ObjectPath(Struct, frozen=True, kw_only=True):
    """What a path names: a bucket (of abfs a container and its account), the plain part of its key, and the pattern that follows.

    Attributes
    ----------
    scheme : one of SCHEMES. bucket : as it is written; `container@account…` of abfs. base, pattern : parts of the key between slashes.
    folder : whether the path ends with a slash, so that it means what lies below it and no object.
    """

    scheme: str
    bucket: str
    base: tuple[str, ...]
    pattern: tuple[str, ...]
    folder: bool

    @property
    def container(self) -> str:
        """The bucket as keys begin with it."""
        return self.bucket.partition("@")[0]

    @property
    def root(self) -> str:
        """Everything before the key."""
        return f"{self.scheme}://{self.bucket}"


def is_object_path(path: str) -> bool:
    """Whether a path has a scheme and so is no file of this machine; what stands before `://` has two letters at least."""
    return (found := _SCHEME.match(path)) is not None and len(found[1]) > 1


def object_path(path: str) -> ObjectPath:
    """What a path of an object store names; `object_path_trouble` says beforehand whether it can be read."""
    scheme, rest = path.split("://", 1)
    bucket, _, key = rest.partition("/")
    parts = [part for part in key.split("/") if part]
    plain = next((i for i, part in enumerate(parts) if set(part) & set(PATTERN_CHARACTERS)), len(parts))
    return ObjectPath(
        scheme=scheme.lower(),
        bucket=bucket,
        base=tuple(parts[:plain]),
        pattern=tuple(parts[plain:]),
        folder=not parts or key.endswith("/"),
    )


def object_path_trouble(path: str) -> str | None:
    """What is wrong with a path that has a scheme, as the end of a sentence that begins with its key; None where nothing is."""
    scheme, rest = path.split("://", 1)
    word = scheme.lower()
    if word == "file":
        return "is a file of this machine: write its path without file://"
    if word not in SCHEMES:
        hint = f"write {OTHER_NAMES[word]}://" if word in OTHER_NAMES else "copy the files to a folder"
        return f"begins with {word}://, which is none of {', '.join(f'{one}://' for one in SCHEMES)}: {hint}"
    bucket = rest.partition("/")[0]
    user, at, host = bucket.rpartition("@")
    if at and (word in ("s3", "gs") or ":" in user):
        return f"names a user before the bucket; {CREDENTIALS}"
    if word.startswith("abfs") and not (user and host):
        return f"must name container and account, as in {word}://container@account.dfs.core.windows.net/logs"
    if not bucket:
        return f"names no bucket: write for example {word}://my-bucket/logs/*.parquet"
    if set(bucket) & set(PATTERN_CHARACTERS) and not _OPTIONS.search(rest):
        return "has a pattern in place of the bucket's name: name one bucket in each path"
    if _OPTIONS.search(rest):
        return f"has options behind a question mark: write region and endpoint as keys beside path; {CREDENTIALS}"
    return None
