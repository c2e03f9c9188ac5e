"""What an object store or its client says when it does not do what it is asked: whether to ask again, and how to tell it in one line."""

from __future__ import annotations

import re

from mlops_desk.config.object_path import ObjectPath
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.warehouse.object_systems import has_s3_credentials, s3_endpoint

SHOWN_CHARACTERS = 200
"""Of what a store says."""
TRANSIENT = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|THROTTLING|HTTP status (429|5\d\d)"
    r"|Unavailable|DeadlineExceeded|timed? ?out|Connection reset|expected .* bytes",
    re.IGNORECASE,
)
UNKNOWN_HERE = re.compile(r"OAuth2 access token|AuthenticationException|DefaultAzureCredential")
"""What the clients of gs and abfs say where no credentials are found."""


def is_transient(text: str) -> bool:
    """Whether what a store says may be otherwise in a moment."""
    return TRANSIENT.search(text) is not None and UNKNOWN_HERE.search(text) is None


def refusal(url: str, path: ObjectPath, access: ObjectAccess, text: str) -> str:
    """What a store's refusal means, in one line with the way out."""
    endpoint = s3_endpoint(access) if path.scheme == "s3" else access.endpoint
    where = f" at {endpoint}" if endpoint else ""
    said = re.sub(
        r" ?\(Request ID: [^)]*\)|; Details:.*", "", text.split(" operation: ", 1)[-1].strip().splitlines()[0]
    )
    said = said if len(said) <= SHOWN_CHARACTERS else f"{said[:SHOWN_CHARACTERS]}…"
    if UNKNOWN_HERE.search(text):
        known = "GOOGLE_APPLICATION_CREDENTIALS" if path.scheme == "gs" else "AZURE_STORAGE_KEY"
        return f"no credentials for {url} are found: set {known} in the environment, or log in with the cloud's own command"
    if "NO_SUCH_BUCKET" in text:
        return f"there is no bucket {path.bucket}{where}: mend the path"
    if re.search(r"ACCESS_DENIED|HTTP status (401|403)|PERMISSION_DENIED|AuthorizationPermissionMismatch", text):
        if path.scheme == "s3" and not access.anonymous and not has_s3_credentials():
            return (
                f"{url} may not be read without credentials, and none are found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
                " name a profile in AWS_PROFILE, or, if the bucket is public, write anonymous = true beside path"
            )
        return f"access to {url} is denied: the credentials in use must be allowed to list the bucket and to read its objects"
    if re.search(
        r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN|ExpiredToken"
        r"|AuthorizationFailure|AuthenticationFailed",
        text,
    ):
        where = " or in ~/.aws" if path.scheme == "s3" else ""
        return f"the credentials for {url} are refused ({said}): renew them in the environment{where}"
    if "REQUEST_TIME_TOO_SKEWED" in text:
        return f"{url}: the store refuses the clock of this machine: set it right"
    if re.search(r"HTTP status 301|PermanentRedirect|AuthorizationHeaderMalformed", text):
        return f"{url} is in another region: write region beside path, or set AWS_REGION"
    if is_transient(text):
        return (
            f"{url} cannot be read: the store{where} does not answer as it should ({said}), however often it is asked"
        )
    return f"{url} cannot be read: {said}"
