"""Identity policies: is a document one that IAM stores? The texts are IAM's."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from waypost.services.iam.errors import malformed_policy

Statement = Mapping[str, Any]

VERSIONS = ("2008-10-17", "2012-10-17")
CURRENT_VERSION = "2012-10-17"
STATEMENT_FIELDS = frozenset(
    {
        "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
    }
)  # fmt: skip
PARTITIONS = frozenset(
    {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "*"}
)

_COMPARISONS = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = frozenset(
    [
        *(f"{kind}{comparison}" for kind in ("Numeric", "Date") for comparison in _COMPARISONS),
        *(f"{kind}{name}" for kind in ("String", "Arn") for name in ("Equals", "NotEquals", "Like", "NotLike")),
        "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
        "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null",
    ]
)  # fmt: skip
"""Condition operators, without ``IfExists`` and the ``ForAllValues:`` and ``ForAnyValue:`` qualifiers."""
_OPERATORS_LOWER = frozenset(name.lower() for name in OPERATORS)

SYNTAX = "Syntax errors in policy."
_SID = re.compile(r"[0-9A-Za-z]*")
_VENDOR = re.compile(r"[a-zA-Z0-9\-.]+")
_SPACE = re.compile(r"\s+")
_IAM_PATHS = (
    "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/",
    "sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/",
)  # fmt: skip


def encoded(document: str) -> str:
    """A document as IAM's responses carry it: percent-encoded by RFC 3986."""
    return quote(document, safe="")


def size(document: str) -> int:
    """What counts towards a quota: characters that are not white space."""
    return len(_SPACE.sub("", document))


def parsed(document: str) -> Any:
    """The JSON of a document, or None where it is none."""
    try:
        return json.loads(document)
    except (ValueError, RecursionError):
        return None


def statements(policy: Mapping[str, Any]) -> list[Statement]:
    """The statements of a policy; a single one may stand without its list."""
    found = policy.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def listed(value: Any) -> list[Any]:
    """A value that may stand alone or in a list, as a list."""
    return value if isinstance(value, list) else [value]


def is_operator(name: str) -> bool:
    """Whether ``name`` is a condition operator, with its qualifier and ``IfExists``."""
    qualifier, colon, rest = name.partition(":")
    if colon and qualifier.lower() not in {"forallvalues", "foranyvalue"}:
        return False
    plain = (rest if colon else name).lower()
    if plain.endswith("ifexists") and plain != "nullifexists":
        plain = plain.removesuffix("ifexists")
    return plain in _OPERATORS_LOWER


def is_condition(value: Any) -> bool:
    """Whether a Condition has the form of one: operator > key > value or list of values."""
    if not isinstance(value, dict):
        return False
    for operator, keys in value.items():
        if not is_operator(operator) or not isinstance(keys, dict):
            return False
        for values in keys.values():
            if not all(isinstance(one, str | int | float | bool) for one in listed(values)):
                return False
    return True


def check_identity_policy(document: str) -> None:
    """Raise MalformedPolicyDocument, with IAM's text, unless ``document`` is an identity policy."""
    policy = parsed(document)
    if not _well_formed(policy):
        raise malformed_policy(SYNTAX)
    found = statements(policy)
    if any("Principal" in one or "NotPrincipal" in one for one in found):
        raise malformed_policy("Policy document should not specify a principal.")
    if policy.get("Version") != CURRENT_VERSION:
        raise malformed_policy("Policy document must be version 2012-10-17 or greater.")
    if any(_is_legacy(resource) for one in found for resource in _values(one, "Resource", "NotResource")):
        raise malformed_policy("The policy failed legacy parsing")
    _check_presence(found)
    for one in found:
        for resource in _values(one, "Resource", "NotResource"):
            _check_resource(resource)
    for one in found:
        for action in _values(one, "Action", "NotAction"):
            _check_action(action)
    _check_sids(found)


def _well_formed(policy: Any) -> bool:
    if not isinstance(policy, dict) or set(policy) - {"Version", "Id", "Statement"}:
        return False
    if policy.get("Version", CURRENT_VERSION) not in VERSIONS or not isinstance(policy.get("Id", ""), str):
        return False
    found = policy.get("Statement")
    if not found or not isinstance(found, dict | list):
        return False
    return all(_statement_well_formed(one) for one in listed(found))


def _statement_well_formed(statement: Any) -> bool:
    if not isinstance(statement, dict) or set(statement) - STATEMENT_FIELDS:
        return False
    if statement.get("Effect") not in {"Allow", "Deny"} or not isinstance(statement.get("Sid", ""), str):
        return False
    for name in ("Action", "Resource"):
        if name in statement and f"Not{name}" in statement:
            return False
        if not all(isinstance(value, str) for value in _values(statement, name, f"Not{name}")):
            return False
    return is_condition(statement.get("Condition", {}))


def _values(statement: Statement, *names: str) -> Iterator[Any]:
    for name in names:
        if name in statement:
            yield from listed(statement[name])


def _is_legacy(resource: str) -> bool:
    parts = resource.split(":")
    return parts[:3] == ["arn", "aws", "s3"] and 3 < len(parts) < 6


def _check_presence(found: list[Statement]) -> None:
    for name in ("Action", "Resource"):
        for one in found:
            if not list(_values(one, name, f"Not{name}")):
                raise malformed_policy(f"Policy statement must contain {name.lower()}s.")


def _check_resource(resource: str) -> None:
    if resource == "*":
        return
    parts = resource.split(":", 5)
    if len(parts) == 1:
        raise malformed_policy(f'Resource {resource} must be in ARN format or "*".')
    if parts[1] not in PARTITIONS:
        whole = ":".join(["arn", *parts[1:], *["*"] * (6 - len(parts))])
        raise malformed_policy(f'Partition "{parts[1]}" is not valid for resource "{whole}".')
    if len(parts) == 2 or "*" in parts[2] or "?" in parts[2]:
        raise malformed_policy("Resource vendor must be fully qualified and cannot contain regexes.")
    vendor, region = parts[2], parts[3] if len(parts) > 3 else ""
    if vendor == "iam" and region:
        raise malformed_policy(f"IAM resource {resource} cannot contain region information.")
    if vendor == "s3" and region:
        raise malformed_policy(f"Resource {resource} can not contain region information.")
    if vendor == "iam" and len(parts) == 6 and not _is_iam_path(parts[5]):
        raise malformed_policy(f'IAM resource path must either be "*" or start with {", ".join(_IAM_PATHS)}.')


def _is_iam_path(path: str) -> bool:
    # A wildcard may stand anywhere, also inside the first word.
    return "*" in path or "?" in path or path == "root" or path.startswith(_IAM_PATHS)


def _check_action(action: str) -> None:
    if action == "*":
        return
    vendor, colon, rest = action.partition(":")
    if not colon:
        raise malformed_policy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if ":" in rest:
        raise malformed_policy("Actions/Condition can contain only one colon.")
    if not _VENDOR.fullmatch(vendor):
        raise malformed_policy(f"Vendor {vendor} is not valid")


def _check_sids(found: list[Statement]) -> None:
    sids = [one["Sid"] for one in found if one.get("Sid")]
    if not all(_SID.fullmatch(sid) for sid in sids):
        raise malformed_policy(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
            "[0-9A-Za-z]*"
        )
    if len(set(sids)) < len(sids):
        raise malformed_policy("Statement IDs (SID) in a single policy must be unique.")
