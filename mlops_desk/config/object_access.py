"""The paths of logs, reference and labels, and how an object store behind them is reached; secrets are refused, unshown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_desk.config.object_path import CREDENTIALS, is_object_path, object_path_trouble
from mlops_desk.config.table import Table
from mlops_desk.domain.model import Logs, ObjectAccess

ACCESS_KEYS = ("region", "endpoint", "anonymous")
SECRET_KEYS = frozenset(
    "access_key access_key_id aws_access_key_id secret_key secret_access_key aws_secret_access_key session_token"
    " aws_session_token account_key sas_token secret token password".split()
)
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+/?")


def refuse_secrets(model: Table, section: str) -> None:
    """Raises UserError for a key of credentials, before it would only be called unknown."""
    content = model.values.get(section)
    for key in content if isinstance(content, dict) else ():
        if isinstance(key, str) and key.lower() in SECRET_KEYS:
            raise model.error((section, key), f"is a secret; {CREDENTIALS}")


def paths(table: Table, example: str) -> tuple[str, ...]:
    """The paths of a section; raises UserError for one with a scheme that cannot be read."""
    found = table.paths("path", example)
    for index, path in enumerate(found):
        if is_object_path(path) and (trouble := object_path_trouble(path)) is not None:
            raise table.error("path" if isinstance(table.values["path"], str) else ("path", index), trouble)
    return found


def schemes_of(paths: Sequence[str]) -> set[str]:
    """The schemes of those paths that have one, in small letters."""
    return {path.partition("://")[0].lower() for path in paths if is_object_path(path)}


def inherited(logs: Logs, paths: Sequence[str]) -> ObjectAccess:
    """How the stores of paths are reached where nothing stands beside them: as those of the logs, if they are of the same kind."""
    return logs.access if schemes_of(paths) <= schemes_of(logs.paths) else ObjectAccess()


def object_access(table: Table, paths: Sequence[str], otherwise: ObjectAccess) -> ObjectAccess:
    """How the object stores of a section's paths are reached; `otherwise` says what it does not."""
    remote = any(is_object_path(path) for path in paths)
    for key in ACCESS_KEYS:
        if key in table and not remote:
            raise table.error(key, "is only for paths in an object store, such as s3://bucket/logs: leave it out")
    if not remote:
        return ObjectAccess()
    schemes = schemes_of(paths)
    if "region" in table and "s3" not in schemes:
        raise table.error("region", "is only for s3://: leave it out")
    if "anonymous" in table and not schemes & {"s3", "gs"}:
        raise table.error("anonymous", "is only for s3:// and gs://: set AZURE_STORAGE_SAS_TOKEN in the environment")
    endpoint = table.text("endpoint", otherwise.endpoint)
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise table.error("endpoint", 'must be an address such as "https://storage.example.com:9000"')
    return ObjectAccess(
        region=table.text("region", otherwise.region),
        endpoint=endpoint,
        anonymous=table.flag("anonymous", otherwise.anonymous),
    )
