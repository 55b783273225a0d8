"""The policies of AWS that this release ships, as data: ``managed_policies.json``.

Documents and versions are as AWS publishes them. A member that is not known for sure is left out, not invented.
"""

import json
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from waypost.service import Params
from waypost.services.iam.rules import arns


class AwsPolicy(NamedTuple):
    """One policy of AWS, at its newest version known to this release."""

    name: str
    path: str
    version: str
    document: str
    version_created_s: int
    created_s: int | None
    policy_id: str | None

    @property
    def arn(self) -> str:
        """``arn:aws:iam::aws:policy/...``."""
        return arns.make("policy", arns.AWS, self.path, self.name)

    def shape(self, attached: int, bounds: int) -> Params:
        """The Policy structure; ``attached`` and ``bounds`` count its uses in an account."""
        shape: Params = {
            "PolicyName": self.name,
            "Arn": self.arn,
            "Path": self.path,
            "DefaultVersionId": self.version,
            "AttachmentCount": attached,
            "PermissionsBoundaryUsageCount": bounds,
            "IsAttachable": True,
            "UpdateDate": self.version_created_s,
        }
        if self.policy_id is not None:
            shape["PolicyId"] = self.policy_id
        if self.created_s is not None:
            shape["CreateDate"] = self.created_s
        return shape


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _read(entry: dict[str, Any]) -> AwsPolicy:
    created = entry.get("CreateDate")
    return AwsPolicy(
        entry["PolicyName"],
        entry["Path"],
        entry["VersionId"],
        json.dumps(entry["Document"], indent=4),
        _seconds(entry["VersionCreateDate"]),
        None if created is None else _seconds(created),
        entry.get("PolicyId"),
    )


@cache
def policies() -> dict[str, AwsPolicy]:
    """Every shipped policy by ARN, in the order of their names; read when first asked for."""
    text = resources.files(__package__).joinpath("managed_policies.json").read_text("utf-8")
    return {policy.arn: policy for policy in map(_read, json.loads(text))}
