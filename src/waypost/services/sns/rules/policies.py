"""Topic policies: the one that every topic begins with, what others may be, and the statements of AddPermission."""

import json
import re
from collections.abc import Sequence
from typing import Any

from waypost.services.sns import errors
from waypost.services.sns.limits import POLICY_MAX, POLICY_PRINCIPALS_MAX, POLICY_STATEMENTS_MAX

ACTIONS = (
    "AddPermission", "DeleteTopic", "GetDataProtectionPolicy", "GetTopicAttributes", "ListSubscriptionsByTopic",
    "ListTagsForResource", "Publish", "PutDataProtectionPolicy", "Receive", "RemovePermission", "SetTopicAttributes",
    "Subscribe", "TagResource", "UntagResource",
)  # fmt: skip
"""What a topic's policy can speak of."""
_ACTIONS = frozenset(action.lower() for action in ACTIONS)

DEFAULT_ACTIONS = (
    "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe",
    "ListSubscriptionsByTopic", "Publish",
)  # fmt: skip

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_OUT_OF_SCOPE = "Policy statement action out of service scope!"
_KINDS = frozenset(["AWS", "Service", "Federated", "CanonicalUser"])
_PRINCIPAL = re.compile(
    r"\*|\d{12}|A[A-Z]{2}A[A-Z0-9]{12,}"
    r"|arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/.+)"
    r"|arn:aws[a-z-]*:sts::\d{12}:(assumed-role|federated-user)/.+"
    r"|arn:aws[a-z-]*:iam::cloudfront:user/.+",
    re.ASCII,
)
"""Everybody, an account, a unique id, an account's root, user, role or session."""


def default_policy(topic_arn: str, account: str) -> str:
    """The policy of a topic that was given none: its own account may do everything."""
    return _compact({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [f"SNS:{action}" for action in DEFAULT_ACTIONS],
            "Resource": topic_arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
        }],
    })  # fmt: skip


def check_policy(text: str) -> None:
    """Raise ``AwsError`` where ``text`` is not a policy that a topic can have. Whom it admits is not asked here."""
    _check_size(text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    statements = _listed(document.get("Statement")) if isinstance(document, dict) else []
    if not statements or not all(_is_statement(statement) for statement in statements):
        raise errors.invalid("Policy Error: null")
    _check_statements(statements)
    for statement in statements:
        _check_principals(statement.get("Principal", statement.get("NotPrincipal")))
        for action in _listed(statement.get("Action", statement.get("NotAction"))):
            _check_action(action)


def _is_statement(statement: Any) -> bool:
    return (
        isinstance(statement, dict)
        and statement.get("Effect") in {"Allow", "Deny"}
        and ("Principal" in statement) != ("NotPrincipal" in statement)
        and ("Action" in statement) != ("NotAction" in statement)
        and ("Resource" in statement) != ("NotResource" in statement)
    )


def _check_size(text: str) -> None:
    if len(text.encode(errors="surrogatepass")) > POLICY_MAX:
        raise errors.invalid(f"Policy Error: the policy has more than {POLICY_MAX} bytes")


def _check_statements(statements: Sequence[dict[str, Any]]) -> None:
    if len(statements) > POLICY_STATEMENTS_MAX:
        raise errors.invalid(f"Policy Error: the policy has more than {POLICY_STATEMENTS_MAX} statements")
    labels = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if not all(isinstance(label, str) for label in labels):
        raise errors.invalid("Policy Error: null")
    if len(set(labels)) < len(labels):
        raise errors.invalid("Policy Error: two statements have the same Sid")


def _check_principals(principal: Any) -> None:
    """Raise ``AwsError`` for principals that cannot be; whether those of AWS exist is not asked."""
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal or not principal.keys() <= _KINDS:
        raise errors.invalid("Policy Error: null")
    named = [one for values in principal.values() for one in _listed(values)]
    if not named or not all(isinstance(one, str) for one in named):
        raise errors.invalid("Policy Error: null")
    if len(named) > POLICY_PRINCIPALS_MAX:
        raise errors.invalid(f"Policy Error: a statement has more than {POLICY_PRINCIPALS_MAX} principals")
    if not all(_PRINCIPAL.fullmatch(one) for one in _listed(principal.get("AWS"))):
        raise errors.invalid("Policy Error: PrincipalNotFound")


def _check_action(action: Any) -> None:
    if not isinstance(action, str):
        raise errors.invalid("Policy Error: null")
    service, colon, name = action.lower().partition(":")
    if action == "*":
        return
    pattern = re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")
    if not colon or service != "sns" or not any(re.fullmatch(pattern, known) for known in _ACTIONS):
        raise errors.invalid(_OUT_OF_SCOPE)


def add_permission(policy: str, topic_arn: str, label: str, accounts: Sequence[str], actions: Sequence[str]) -> str:
    """The policy with one more statement, as AddPermission writes it; raises ``AwsError`` in SNS's words."""
    if not label:
        raise errors.invalid("Label")
    if not actions:
        raise errors.invalid("ActionName")
    if not accounts:
        raise errors.invalid("AWSAccountId")
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise errors.invalid("AWSAccountId")
    for action in actions:
        if action.lower() not in _ACTIONS and action != "*":
            raise errors.invalid(_OUT_OF_SCOPE)
    document = json.loads(policy)
    statements = _listed(document["Statement"])
    if any(statement.get("Sid") == label for statement in statements):
        raise errors.invalid("Statement already exists")
    added = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _alone([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": _alone([f"SNS:{action}" for action in actions]),
        "Resource": topic_arn,
    }
    _check_principals(added["Principal"])
    _check_statements([*statements, added])
    changed = _compact({**document, "Statement": [*statements, added]})
    _check_size(changed)
    return changed


def remove_permission(policy: str, label: str) -> str | None:
    """The policy without the statement of that label; None where none is left. One that is not there is no matter."""
    document = json.loads(policy)
    kept = [statement for statement in _listed(document["Statement"]) if statement.get("Sid") != label]
    return _compact({**document, "Statement": kept}) if kept else None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _alone(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
