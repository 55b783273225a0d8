"""Layers: their names, what a function may use of them, and their policies."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from waypost import arn
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import LAYERS_MAX, UNZIPPED_BYTES_MAX
from waypost.services.lambdas.rules.permission import principal

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,140}")


class LayerName(NamedTuple):
    """A layer, or with ``version`` one of its versions."""

    account: str
    region: str
    name: str
    version: int = 0

    @property
    def arn(self) -> str:
        """The layer's own ARN."""
        return arn.make("lambda", self.region, self.account, f"layer:{self.name}")

    @property
    def version_arn(self) -> str:
        """The ARN of the version."""
        return f"{self.arn}:{self.version}"


def read_name(text: str, account: str, region: str) -> LayerName:
    """A layer's name or ARN, as requests give it; raises for what is neither, or lies in another region."""
    if _NAME.fullmatch(text):
        return LayerName(account, region, text)
    parsed = arn.parse(text)
    resource = parsed.resource.split(":") if parsed is not None else []
    if parsed is None or len(resource) != 2 or resource[0] != "layer" or not _NAME.fullmatch(resource[1]):
        raise errors.invalid(f"Invalid layer name: {text}")
    if parsed.region != region:
        raise errors.resource_not_found()
    return LayerName(parsed.account, parsed.region, resource[1])


def read_version_arn(text: str) -> LayerName | None:
    """A layer version's ARN; None for what is not one of an account's layer."""
    parsed = arn.parse(text)
    resource = parsed.resource.split(":") if parsed is not None else []
    if parsed is None or len(resource) != 3 or resource[0] != "layer" or not resource[2].isdecimal():
        return None
    number = int(resource[2]) if len(resource[2]) <= 9 else 0
    return LayerName(parsed.account, parsed.region, resource[1], number)


def check_list(wanted: Sequence[str], region: str) -> list[LayerName]:
    """The layers that a function is to have. Raises for too many, for two of one layer, for those of elsewhere."""
    if len(wanted) > LAYERS_MAX:
        raise errors.invalid(f"Cannot reference more than {LAYERS_MAX} layers.")
    found: dict[str, LayerName] = {}
    for text in wanted:
        layer = read_version_arn(text)
        if layer is None:
            raise errors.invalid(f"Waypost does not have the layer {text}: layers are published into it.")
        if layer.region != region:
            raise errors.invalid(
                f"Layers are not in the same region as the function. Layers are expected to be in region {region}."
            )
        other = found.get(layer.arn)
        if other is not None:
            raise errors.invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{other.version_arn} and {layer.version_arn} are versions of the same layer"
            )
        found[layer.arn] = layer
    return list(found.values())


def check_size(bytes_together: int) -> None:
    """Raise where a function and its layers unpack to more than fits."""
    if bytes_together >= UNZIPPED_BYTES_MAX:
        raise errors.invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES_MAX} bytes. The "
            f"actual size is {bytes_together} bytes."
        )


def statement(request: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """The statement that an AddLayerVersionPermission request asks for."""
    made: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": principal(request["Principal"]),
        "Action": request["Action"],
        "Resource": resource,
    }
    if request.get("OrganizationId"):
        made["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": request["OrganizationId"]}}
    return made


def allows(statements: Sequence[Mapping[str, Any]], account: str) -> bool:
    """Whether a layer version's policy opens it to another account. There are no organizations that could be asked."""
    root = {"AWS": f"arn:aws:iam::{account}:root"}
    return any(found["Principal"] in ("*", root) and "Condition" not in found for found in statements)
