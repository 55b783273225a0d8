"""Data protection policies: which documents SNS stores.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-data-protection-policies.html
"""

import json
import re
from typing import Any

from waypost.services.sns import errors
from waypost.services.sns.limits import POLICY_MAX

VERSION = "2021-06-01"
_MEMBERS = frozenset(["Name", "Description", "Version", "Statement", "Configuration"])
_STATEMENT = frozenset(["Sid", "DataDirection", "Principal", "NoPrincipal", "DataIdentifier", "Operation"])
_NEEDED = ("DataDirection", "Principal", "DataIdentifier", "Operation")
_DIRECTIONS = ("Inbound", "Outbound")
_OPERATIONS = frozenset(["Audit", "Deidentify", "Deny"])
_IDENTIFIER = re.compile(r"arn:aws[a-z-]*:dataprotection::aws:data-identifier/[A-Za-z0-9_-]+")


def check_protection(text: str) -> None:
    """Raise ``AwsError`` where ``text`` is not a data protection policy."""
    problem = _problem(text)
    if problem is not None:
        raise errors.invalid("DataProtectionPolicy", problem)


def _problem(text: str) -> str | None:
    if len(text) > POLICY_MAX:
        return f"The policy has more than {POLICY_MAX} characters."
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return "The policy is not valid JSON."
    if not isinstance(document, dict) or not document.keys() <= _MEMBERS:
        return f"The policy must be an object with the members {', '.join(sorted(_MEMBERS))}."
    if not isinstance(document.get("Name"), str) or not document["Name"]:
        return "The policy must have a Name."
    if document.get("Version") != VERSION:
        return f"Version must be {VERSION}."
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        return "Statement must be a list of statements."
    own = _custom(document.get("Configuration"))
    if own is None:
        return "Configuration must hold a list CustomDataIdentifier of Name and Regex."
    problems = (_statement_problem(statement, own) for statement in statements)
    return next((problem for problem in problems if problem is not None), None)


def _custom(configuration: Any) -> frozenset[str] | None:
    """The names of a policy's own identifiers."""
    if configuration is None:
        return frozenset()
    listed = configuration.get("CustomDataIdentifier") if isinstance(configuration, dict) else None
    if not isinstance(listed, list):
        return None
    if not all(isinstance(one, dict) and isinstance(one.get("Name"), str) and _is_pattern(one) for one in listed):
        return None
    return frozenset(one["Name"] for one in listed)


def _is_pattern(identifier: dict[str, Any]) -> bool:
    return isinstance(identifier.get("Regex"), str) and bool(identifier["Regex"])


def _statement_problem(statement: Any, own: frozenset[str]) -> str | None:
    if not isinstance(statement, dict) or not statement.keys() <= _STATEMENT:
        return f"A statement must be an object with the members {', '.join(sorted(_STATEMENT))}."
    missing = [
        name for name in _NEEDED if name not in statement and not (name == "Principal" and "NoPrincipal" in statement)
    ]
    if missing:
        return f"A statement must have {missing[0]}."
    if statement["DataDirection"] not in _DIRECTIONS:
        return f"DataDirection must be {' or '.join(_DIRECTIONS)}."
    principals = statement.get("Principal", statement.get("NoPrincipal"))
    if not isinstance(principals, list) or not principals or not all(isinstance(one, str) for one in principals):
        return "Principal must be a list of ARNs or *."
    identifiers = statement["DataIdentifier"]
    if not isinstance(identifiers, list) or not identifiers:
        return "DataIdentifier must be a list."
    for identifier in identifiers:
        if not isinstance(identifier, str) or (identifier not in own and not _IDENTIFIER.fullmatch(identifier)):
            return f"Unknown data identifier: {identifier}"
    operation = statement["Operation"]
    if not isinstance(operation, dict) or len(operation) != 1 or not operation.keys() <= _OPERATIONS:
        return f"Operation must be one of {', '.join(sorted(_OPERATIONS))}."
    if "Audit" in operation and statement["DataDirection"] != "Inbound":
        return "Audit is for the DataDirection Inbound."
    return None
