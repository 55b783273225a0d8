"""How an alias shares out its requests."""

import json
from collections.abc import Mapping
from typing import Any

from waypost.services.lambdas import errors
from waypost.services.lambdas.rules.names import LATEST


def weights(routing: Mapping[str, Any] | None, version: str) -> tuple[str, str]:
    """The second version and its weight as JSON, both empty without one. Raises where AWS allows no such alias."""
    additional = (routing or {}).get("AdditionalVersionWeights") or {}
    if len(additional) > 1:
        raise errors.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other, weight in additional.items():
        if LATEST in (other, version):
            raise errors.invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if other == version:
            raise errors.invalid(
                f"Invalid function version {version}. Function version {version} is already included in routing "
                "configuration."
            )
        return other, json.dumps(weight)
    return "", ""


def share_out(number: int, version: str, other: str, weight: str) -> dict[str, int]:
    """A number by version, as an alias shares out its requests; a version that gets nothing is left out."""
    second = round(number * float(weight)) if other else 0
    return {name: part for name, part in ((version, number - second), (other, second)) if part}
