"""Trust policies: who may become a role. The form of a document, and a small evaluator for services."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from typing import Any

from waypost.services.iam.errors import malformed_policy
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.documents import (
    STATEMENT_FIELDS,
    VERSIONS,
    Statement,
    is_condition,
    listed,
    parsed,
    statements,
)

ASSUME_ROLE = "sts:AssumeRole"
PRINCIPAL_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


def check_trust_policy(document: str) -> list[str]:
    """Raise MalformedPolicyDocument, with IAM's text, unless ``document`` is a trust policy.

    Answers the ARNs of users and roles that it names: the caller looks whether those of its account exist.
    """
    policy = parsed(document)
    if not isinstance(policy, dict):
        raise malformed_policy("This policy contains invalid Json")
    for name in policy:
        if name not in {"Version", "Id", "Statement"}:
            raise malformed_policy(f"Unknown field {name}")
    if "Statement" not in policy:
        lines = document.split("\n")
        raise malformed_policy(f"Syntax error at position ({len(lines)},{len(lines[-1]) + 1})")
    if policy.get("Version", VERSIONS[0]) not in VERSIONS:
        raise malformed_policy("The policy must contain a valid version string.")
    found = policy["Statement"]
    if not isinstance(found, dict | list):
        raise malformed_policy("This policy contains invalid Json")
    if not found:
        raise malformed_policy("Could not parse the policy: Statement is empty!")
    named: list[str] = []
    for statement in statements(policy):
        _check_statement(statement)
        named += _check_principals(statement)
    return named


def _check_statement(statement: Statement) -> None:
    if not isinstance(statement, dict) or not is_condition(statement.get("Condition", {})):
        raise malformed_policy("This policy contains invalid Json")
    for name in statement:
        if name not in STATEMENT_FIELDS:
            raise malformed_policy(f"Unknown field {name}")
    if "Effect" not in statement:
        raise malformed_policy("Missing required field Effect")
    if statement["Effect"] not in {"Allow", "Deny"}:
        raise malformed_policy(f"Invalid effect: {statement['Effect']}")
    _check_prohibited(statement)
    actions = [*listed(statement.get("Action", [])), *listed(statement.get("NotAction", []))]
    if not actions:
        raise malformed_policy("Missing required field Action")
    if not all(isinstance(action, str) and action.lower().startswith("sts:") for action in actions):
        raise malformed_policy("AssumeRole policy may only specify STS AssumeRole actions.")


def _check_prohibited(statement: Statement) -> None:
    if "Resource" in statement:
        raise malformed_policy("Has prohibited field Resource")
    if "NotResource" in statement:
        raise malformed_policy("AssumeRole policy must not contain resources.")
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise malformed_policy("Missing required field Principal")
    if "NotPrincipal" in statement and statement["Effect"] == "Allow":
        raise malformed_policy("Allow with NotPrincipal is not allowed.")


def _check_principals(statement: Statement) -> Iterator[str]:
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal == "*":
        return
    if not principal:
        raise malformed_policy("Missing required field Principal cannot be empty!")
    if not isinstance(principal, dict):
        raise malformed_policy(f"Invalid principal in policy: {principal}")
    for kind, values in principal.items():
        if kind not in PRINCIPAL_TYPES:
            raise malformed_policy(f"Unknown field {kind}")
        for value in listed(values):
            if not isinstance(value, str) or not _is_principal(kind, value):
                raise invalid_principal(kind, value)
            if kind == "AWS" and arns.named(value) is not None:
                yield value


def _is_principal(kind: str, value: str) -> bool:
    if kind == "Service":
        return _SERVICE.fullmatch(value) is not None
    if kind == "AWS":
        return value == "*" or value.startswith(("arn:", "AROA", "AIDA")) or _ACCOUNT.fullmatch(value) is not None
    return bool(value)


def invalid_principal(kind: str, value: Any) -> Exception:
    """MalformedPolicyDocument for a principal that is none, or that does not exist."""
    shown = "AWS" if kind == "AWS" else kind.upper()
    return malformed_policy(f'Invalid principal in policy: "{shown}":"{value}"')


def service_may_assume(document: str, service: str) -> bool:
    """Whether a trust policy lets ``service`` (``lambda.amazonaws.com``) assume the role.

    Conditions speak of the request to come, which is not known here: one on an Allow counts as fulfilled, one on a
    Deny as not.
    """
    policy = parsed(document)
    allowed = False
    for statement in statements(policy) if isinstance(policy, dict) else []:
        if not _names_service(statement, service) or not _names_action(statement, ASSUME_ROLE):
            continue
        if statement["Effect"] == "Allow":
            allowed = True
        elif not statement.get("Condition"):
            return False
    return allowed


def _names_service(statement: Statement, service: str) -> bool:
    if "NotPrincipal" in statement:
        return not _holds_service(statement["NotPrincipal"], service)
    return _holds_service(statement.get("Principal"), service)


def _holds_service(principal: Any, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    return "*" in listed(principal.get("AWS", [])) or service in listed(principal.get("Service", []))


def _names_action(statement: Statement, action: str) -> bool:
    if "NotAction" in statement:
        return not _matches(listed(statement["NotAction"]), action)
    return _matches(listed(statement.get("Action", [])), action)


def _matches(patterns: list[str], action: str) -> bool:
    # Square brackets mean nothing in a policy; no action has any, so a pattern with one matches none.
    plain = [pattern.lower() for pattern in patterns if "[" not in pattern]
    return any(re.fullmatch(translate(pattern), action.lower()) is not None for pattern in plain)
