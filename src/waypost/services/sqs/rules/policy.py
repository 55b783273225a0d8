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
_VERSIONS = ("2008-10-17", "2012-10-17")
_MEMBERS = frozenset(["Version", "Id", "Statement"])
_STATEMENT_MEMBERS = frozenset([
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
])  # fmt: skip
_PRINCIPAL_KINDS = frozenset(["AWS", "Service", "Federated", "CanonicalUser"])
_ACTION = re.compile(r"\*|sqs:[A-Za-z*?]+", re.IGNORECASE)
_OPERATOR = re.compile(
    r"(ForAllValues:|ForAnyValue:)?(Null|(String(Not)?(Equals(IgnoreCase)?|Like)|(Numeric|Date)((Not)?Equals|"
    r"(LessThan|GreaterThan)(Equals)?)|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?)",
    re.IGNORECASE,
)
"""The condition operators of IAM's policy language."""


def policy_text(text: str) -> str:
    """A Policy as it is kept and shown: as it was written. Raises ``AwsError`` where a queue cannot have it."""
    check_policy(text)
    return text


def check_policy(text: str) -> None:
    """Raise ``AwsError`` where ``text`` is not a policy that a queue can have.

    Its grammar is IAM's; whether the principals and the resources exist is not asked. The words are AWS's.
    """
    if len(text.encode()) > POLICY_BYTES_MAX:
        raise AwsError("OverLimit", "Submitted policy is over max allowed size.", 403)
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise _malformed() from None
    if not isinstance(document, dict) or not document.keys() <= _MEMBERS:
        raise _malformed()
    statements = _listed(document.get("Statement"))
    if (
        not statements
        or document.get("Version", _VERSIONS[0]) not in _VERSIONS
        or not isinstance(document.get("Id", ""), str)
        or not all(_is_statement(statement) for statement in statements)
    ):
        raise _malformed()
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]  # Terraform writes empty ones
    if len(set(sids)) < len(sids):
        raise _malformed()
    _check_bounds(statements)


def _malformed() -> AwsError:
    return errors.invalid_attribute("Policy")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; one that names a member twice says two things."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members


def _is_statement(statement: Any) -> bool:
    return (
        isinstance(statement, dict)
        and statement.keys() <= _STATEMENT_MEMBERS
        and isinstance(statement.get("Sid", ""), str)
        and statement.get("Effect") in ("Allow", "Deny")
        and ("Principal" in statement) != ("NotPrincipal" in statement)
        and _is_principal(statement.get("Principal", statement.get("NotPrincipal")))
        and ("Action" in statement) != ("NotAction" in statement)
        and _are_texts(statement.get("Action", statement.get("NotAction")), _ACTION)
        and not ("Resource" in statement and "NotResource" in statement)
        and all(_are_texts(statement[name]) for name in ("Resource", "NotResource") if name in statement)
        and _is_condition(statement.get("Condition", {}))
    )


def _is_principal(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and value.keys() <= _PRINCIPAL_KINDS and all(_are_texts(one) for one in value.values())
    return bool(value == "*")


def _are_texts(value: Any, pattern: re.Pattern[str] | None = None) -> bool:
    """Whether it is a text, or a list of some, each as ``pattern`` has it."""
    texts = _listed(value)
    return bool(texts) and all(
        isinstance(text, str) and text != "" and (pattern is None or pattern.fullmatch(text) is not None)
        for text in texts
    )


def _is_condition(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _OPERATOR.fullmatch(operator) is not None
        and isinstance(keys, dict)
        and bool(keys)
        and all(isinstance(one, str | bool | int | float) for wanted in keys.values() for one in _listed(wanted))
        for operator, keys in value.items()
    )


def _check_bounds(statements: Sequence[dict[str, Any]]) -> None:
    principals = sum(len(_principals(statement)) for statement in statements)
    conditions = sum(len(keys) for statement in statements for keys in statement.get("Condition", {}).values())
    actions = max(len(_listed(statement.get("Action", statement.get("NotAction")))) for statement in statements)
    for found, allowed, where in (
        (len(statements), POLICY_STATEMENTS_MAX, "statements were found in the submitted policy"),
        (principals, POLICY_PRINCIPALS_MAX, "principals were found in the submitted policy"),
        (conditions, POLICY_CONDITIONS_MAX, "conditions were found in the submitted policy"),
        (actions, POLICY_ACTIONS_MAX, "actions were found in a statement from the submitted policy"),
    ):
        if found > allowed:
            raise AwsError("OverLimit", f"{found} {where}, max allowed is {allowed}", 403)


def _principals(statement: dict[str, Any]) -> list[Any]:
    named = statement.get("Principal", statement.get("NotPrincipal"))
    if isinstance(named, dict):
        return [one for kind in named.values() for one in _listed(kind)]
    return _listed(named)


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
            raise errors.invalid_value("PrincipalId", account, "Unable to verify principal.")
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
