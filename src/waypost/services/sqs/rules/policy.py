"""Queue policies: their bounds, and the statements that AddPermission writes into them."""

import json
import re
from collections.abc import Sequence
from typing import Any

from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.limits import (
    POLICY_ACTIONS_MAX,
    POLICY_BYTES_MAX,
    POLICY_CONDITIONS_MAX,
    POLICY_PRINCIPALS_MAX,
    POLICY_STATEMENTS_MAX,
)

SHARED_ACTIONS = (
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
)
"""What AddPermission can give to other accounts; each covers its batch."""
OWNER_ACTIONS = (
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueues",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
)
"""What only a queue's own account can do."""

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}")


def check_policy(text: str) -> None:
    """Raise ``AwsError`` where ``text`` is not a policy that a queue can have. Whom it admits is not asked here."""
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise errors.invalid_attribute("Policy", f"A policy has at most {POLICY_BYTES_MAX} bytes.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise errors.invalid_attribute("Policy") from None
    if not isinstance(document, dict):
        raise errors.invalid_attribute("Policy")
    statements = _listed(document.get("Statement"))
    if not statements or not all(_is_statement(statement) for statement in statements):
        raise errors.invalid_attribute("Policy")
    _check_bounds(statements)


def _is_statement(statement: Any) -> bool:
    return (
        isinstance(statement, dict)
        and statement.get("Effect") in {"Allow", "Deny"}
        and ("Principal" in statement) != ("NotPrincipal" in statement)
        and ("Action" in statement) != ("NotAction" in statement)
    )


def _check_bounds(statements: Sequence[dict[str, Any]]) -> None:
    principals = sum(len(_principals(statement)) for statement in statements)
    conditions = sum(len(keys) for statement in statements for keys in _conditions(statement))
    actions = max(len(_listed(statement.get("Action", statement.get("NotAction")))) for statement in statements)
    for found, allowed, what in (
        (len(statements), POLICY_STATEMENTS_MAX, "statements"),
        (principals, POLICY_PRINCIPALS_MAX, "principals"),
        (conditions, POLICY_CONDITIONS_MAX, "conditions"),
        (actions, POLICY_ACTIONS_MAX, "actions in a statement"),
    ):
        if found > allowed:
            raise AwsError("OverLimit", f"{found} {what} were found in the policy, maximum allowed is {allowed}.", 403)


def _principals(statement: dict[str, Any]) -> list[Any]:
    named = statement.get("Principal", statement.get("NotPrincipal"))
    if isinstance(named, dict):
        return [one for kind in named.values() for one in _listed(kind)]
    return _listed(named)


def _conditions(statement: dict[str, Any]) -> list[dict[str, Any]]:
    condition = statement.get("Condition")
    return [keys for keys in condition.values() if isinstance(keys, dict)] if isinstance(condition, dict) else []


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def add_permission(
    policy: str | None, queue_arn: str, label: str, accounts: Sequence[str], actions: Sequence[str]
) -> str:
    """The policy with one more statement, as AddPermission writes it; raises ``AwsError`` in SQS's words."""
    _check_permission(label, accounts, actions)
    document: dict[str, Any] = (
        json.loads(policy)
        if policy
        else {"Version": "2008-10-17", "Id": f"{queue_arn}/SQSDefaultPolicy", "Statement": []}
    )
    statements = _listed(document.get("Statement"))
    if any(statement.get("Sid") == label for statement in statements):
        raise errors.invalid_value("Label", label, "Already exists.")
    statements.append({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _alone([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": _alone([f"SQS:{action}" for action in actions]),
        "Resource": queue_arn,
    })  # fmt: skip
    document["Statement"] = statements
    changed = json.dumps(document, separators=(",", ":"))
    check_policy(changed)
    return changed


def remove_permission(policy: str | None, label: str) -> str | None:
    """The policy without the statement of that label; None where that was the last. Raises ``AwsError``."""
    document = json.loads(policy) if policy else {}
    statements = _listed(document.get("Statement"))
    kept = [statement for statement in statements if statement.get("Sid") != label]
    if len(kept) == len(statements):
        raise errors.invalid_value("Label", label, "can't find label.")
    if not kept:
        return None
    return json.dumps({**document, "Statement": kept}, separators=(",", ":"))


def _check_permission(label: str, accounts: Sequence[str], actions: Sequence[str]) -> None:
    if not _LABEL.fullmatch(label):
        raise errors.invalid_value(
            "Label", label, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise errors.invalid_value("PrincipalId", account, "Unable to verify.")
    for action in actions:
        if action in OWNER_ACTIONS:
            raise errors.invalid_value(
                "ActionName", f"SQS:{action}", "Only the queue owner is allowed to invoke this action."
            )
        if action not in SHARED_ACTIONS:
            raise errors.invalid_value(
                "ActionName", f"SQS:{action}", "Please refer to the appropriate WSDL for a list of valid actions."
            )
    if len(actions) > POLICY_ACTIONS_MAX:
        raise AwsError("OverLimit", f"{len(actions)} Actions were found, maximum allowed is {POLICY_ACTIONS_MAX}.", 403)


def _alone(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
