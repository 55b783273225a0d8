"""What a function's configuration may say."""

import json
import re
from collections.abc import Mapping
from typing import Any

from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import (
    ENVIRONMENT_BYTES_MAX,
    EPHEMERAL_MB_MAX,
    MEMORY_MB_MAX,
    TAGS_MAX,
    TIMEOUT_S_MAX,
)  # fmt: skip

_SUPPORTED = re.compile(r"python3\.\d+|nodejs\d+\.x")
_RESERVED = frozenset(
    {
        "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
    }
)  # fmt: skip
_RESERVED_PREFIX = "AWS_LAMBDA_"
_ENVIRONMENT_REFUSED = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
)


def check_runtime(runtime: str) -> None:
    """Raise for a runtime that Waypost never runs; whether this host has it is asked elsewhere."""
    if _SUPPORTED.fullmatch(runtime) is None:
        raise errors.invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Waypost runs python3.* and nodejs*.x functions"
        )


def check_numbers(request: Mapping[str, Any]) -> None:
    """Raise for sizes and times beyond Lambda's; the model's own bounds are those of other kinds of function."""
    timeout_s, memory_mb = request.get("Timeout"), request.get("MemorySize")
    ephemeral_mb = (request.get("EphemeralStorage") or {}).get("Size")
    if timeout_s is not None and timeout_s > TIMEOUT_S_MAX:
        raise _too_much("timeout", timeout_s, TIMEOUT_S_MAX)
    if memory_mb is not None and memory_mb > MEMORY_MB_MAX:
        raise errors.invalid(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to "
            f"{MEMORY_MB_MAX}"
        )
    if ephemeral_mb is not None and ephemeral_mb > EPHEMERAL_MB_MAX:
        raise _too_much("ephemeralStorage.size", ephemeral_mb, EPHEMERAL_MB_MAX)


def _too_much(member: str, value: int, most: int) -> Exception:
    return errors.validation(
        f"Value '{value}' at '{member}' failed to satisfy constraint: Member must have value less than or equal to "
        f"{most}"
    )


def check_environment(variables: Mapping[str, str]) -> None:
    """Raise for names that belong to Lambda, and for more than 4 KB."""
    reserved = [name for name in variables if name in _RESERVED or name.startswith(_RESERVED_PREFIX)]
    if reserved:
        raise errors.invalid(
            f"{_ENVIRONMENT_REFUSED} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(dict(variables), ensure_ascii=False, separators=(",", ":"))
    if len(measured.encode()) > ENVIRONMENT_BYTES_MAX:
        raise errors.invalid(f"{_ENVIRONMENT_REFUSED} exceeded the 4KB limit. String measured: {measured}")


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise for more tags than a resource may have."""
    if len(tags) > TAGS_MAX:
        raise errors.invalid("Number of tags exceeds resource tag limit.")
