"""STS: who am I, and temporary credentials for roles."""

import json
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sts.limits import (
    CHAINED_MAX_S,
    POLICY_ARNS_MAX,
    POLICY_CHARS_MAX,
    ROLE_DEFAULT_S,
    ROOT_SESSION_MAX_S,
    SESSION_DEFAULT_S,
)
from waypost.services.sts.rules.session_tags import NO_TAGS, packed_percent, session_tags
from waypost.services.sts.sessions import Identity, Q, chain_of, issue
from waypost.store.store import Tx


class Role(NamedTuple):
    """What STS needs to know of a role."""

    account: str
    arn: str
    name: str
    role_id: str
    max_session_s: int
    trust: str


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message, 400)


def _find_role(tx: Tx, ctx: Context, role_arn: str) -> Role | None:
    """The role of an ARN, in whatever account; raises ValidationError for what is no role's ARN."""
    parsed = arn.parse(role_arn)
    if parsed is None or parsed.service != "iam" or parsed.region or not parsed.resource.startswith("role/"):
        raise _invalid(f"{role_arn} is invalid")
    name = parsed.resource.rpartition("/")[2]
    theirs = msgspec.structs.replace(ctx, account=parsed.account)
    try:
        found = ctx.calls.call(tx, theirs, "iam", "GetRole", {"RoleName": name})["Role"]
    except AwsError:
        # A name that is none is refused by its form, one that is free is not found: there is no such role either way.
        return None
    if found["Arn"] != role_arn:
        return None
    return Role(
        parsed.account, role_arn, found["RoleName"], found["RoleId"], found["MaxSessionDuration"],
        unquote(found["AssumeRolePolicyDocument"]),
    )  # fmt: skip


def _identity(role: Role, session_name: str) -> Identity:
    assumed = arn.make("sts", "", role.account, f"assumed-role/{role.name}/{session_name}")
    return Identity(role.account, assumed, f"{role.role_id}:{session_name}", role.arn, session_name)


def _denied(ctx: Context, role_arn: str) -> AwsError:
    message = f"User: {ctx.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
    return AwsError("AccessDenied", message, 403)


def get_caller_identity(_tx: Tx, ctx: Context, _request: Params) -> Params:
    """Who signed the request."""
    return {"UserId": ctx.caller.user_id, "Account": ctx.caller.account, "Arn": ctx.caller.arn}


def assume_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Temporary credentials of a role, of this account or another. Trust policies do not decide yet."""
    calling = chain_of(tx, ctx.caller)
    tags = session_tags(request, calling.tags)
    policy, policy_arns = _session_policies(request)
    packed = packed_percent(policy, policy_arns, tags.tags)
    role = _find_role(tx, ctx, request["RoleArn"])
    if role is None or not role.trust:
        raise _denied(ctx, request["RoleArn"])
    duration_s = request.get("DurationSeconds", ROLE_DEFAULT_S)
    if calling.is_role and duration_s > CHAINED_MAX_S:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if duration_s > role.max_session_s:
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    source_identity = request.get("SourceIdentity", calling.source_identity)
    if calling.source_identity not in {None, source_identity}:
        raise _denied(ctx, request["RoleArn"])
    identity = _identity(role, request["RoleSessionName"])
    credentials = issue(
        tx, ctx, identity, duration_s, token_chars_min=request.get("MinimumSessionTokenSize", 0),
        source_identity=source_identity, tags=tags, policies={"Policy": policy, "PolicyArns": policy_arns},
    )  # fmt: skip
    answer: Params = {
        "Credentials": credentials,
        "AssumedRoleUser": {"AssumedRoleId": identity.user_id, "Arn": identity.arn},
    }
    if packed is not None:
        answer["PackedPolicySize"] = packed
    if source_identity is not None:
        answer["SourceIdentity"] = source_identity
    return answer


def _session_policies(request: Params) -> tuple[str | None, list[str]]:
    """The session policies of a request; raises MalformedPolicyDocument and ValidationError."""
    policy = request.get("Policy")
    arns = [one["arn"] for one in request.get("PolicyArns", []) if "arn" in one]
    if len(arns) > POLICY_ARNS_MAX:
        raise _invalid(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length "
            f"less than or equal to {POLICY_ARNS_MAX}"
        )
    if policy is not None:
        if len(policy) > POLICY_CHARS_MAX:
            raise _invalid(
                "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length "
                f"less than or equal to {POLICY_CHARS_MAX}"
            )
        try:
            document = json.loads(policy)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or "Statement" not in document:
            raise AwsError("MalformedPolicyDocumentException", "Syntax errors in policy.", 400)
    return policy, arns


def get_session_token(tx: Tx, ctx: Context, request: Params) -> Params:
    """Temporary credentials of the caller itself."""
    if ctx.caller.access_key.startswith("ASIA"):
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    duration_s = request.get("DurationSeconds", SESSION_DEFAULT_S)
    if ctx.caller.arn.endswith(":root"):
        duration_s = min(duration_s, ROOT_SESSION_MAX_S)
    identity = Identity(ctx.caller.account, ctx.caller.arn, ctx.caller.user_id)
    minimum = request.get("MinimumSessionTokenSize", 0)
    return {"Credentials": issue(tx, ctx, identity, duration_s, token_chars_min=minimum)}


def get_access_key_info(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account of a session's or a user's access key."""
    access_key = request["AccessKeyId"]
    row = tx.one(Q.get_account, access_key=access_key)
    if row is not None:
        return {"Account": row[0]}
    found = ctx.calls.call(tx, ctx, "iam", "waypost:FindAccessKey", {"AccessKeyId": access_key})
    if not found:
        raise _invalid(f"The access key {access_key} is not known to this server.")
    return {"Account": found["Account"]}


def issue_credentials(tx: Tx, ctx: Context, request: Params) -> Params:
    """Credentials of a role for what runs on its behalf; the trust policy was looked at when the role was given.

    ``{"RoleArn", "SessionName", "DurationSeconds"}`` > ``{"Credentials", "AssumedRoleUser"}``. Raises AccessDenied
    for a role that is not in the context's account.
    """
    role = _find_role(tx, ctx, request["RoleArn"])
    if role is None or role.account != ctx.account:
        raise AwsError("AccessDenied", f"The role {request['RoleArn']} cannot be assumed: it does not exist.", 403)
    identity = _identity(role, request["SessionName"])
    return {
        "Credentials": issue(tx, ctx, identity, request["DurationSeconds"], tags=NO_TAGS),
        "AssumedRoleUser": {"AssumedRoleId": identity.user_id, "Arn": identity.arn},
    }


OPERATIONS: dict[str, Operation] = {
    "GetCallerIdentity": get_caller_identity,
    "AssumeRole": assume_role,
    "GetSessionToken": get_session_token,
    "GetAccessKeyInfo": get_access_key_info,
    "waypost:IssueCredentials": issue_credentials,
}
