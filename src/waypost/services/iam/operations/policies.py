"""Managed policies and their versions: the account's own as rows, AWS's as data."""

from typing import NamedTuple

from waypost.aws.errors import AwsError
from waypost.service import Context, Params
from waypost.services.iam import entities, managed
from waypost.services.iam.entities import Q
from waypost.services.iam.errors import already_exists, delete_conflict, limit_exceeded, no_such_entity, quota
from waypost.services.iam.limits import POLICIES_MAX, POLICY_SIZE_MAX, VERSIONS_MAX
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.documents import check_identity_policy, encoded, size
from waypost.services.iam.rules.pages import cut, page_of
from waypost.services.iam.rules.tags import merged, without
from waypost.store.queries import Query
from waypost.store.store import Tx


class Policy(NamedTuple):
    """A row of ``iam_policy`` as the queries select it."""

    id: int
    name: str
    path: str
    unique_id: str
    description: str | None
    created_at: int
    updated_at: int
    tags: str
    default_version: int
    last_version: int


def find_policy(tx: Tx, ctx: Context, arn: str, query: Query = Q.get_policy) -> Policy | None:
    """A policy of the account by its ARN; raises ValidationError for what is no policy's ARN."""
    named = arns.policy(arn)
    if named.account != ctx.account:
        return None
    row = tx.one(query, account=ctx.account, name_key=named.name.lower())
    policy = None if row is None else Policy(*row)
    return policy if policy is not None and arn_of(ctx, policy) == arn else None


def arn_of(ctx: Context, policy: Policy) -> str:
    """The policy's ARN; its path is part of it."""
    return arns.make("policy", ctx.account, policy.path, policy.name)


def exists(tx: Tx, ctx: Context, arn: str) -> bool:
    """Whether there is a policy, as this account sees it."""
    return arn in managed.policies() or find_policy(tx, ctx, arn) is not None


def can_attach(tx: Tx, ctx: Context, arn: str) -> bool:
    """Whether a policy can be attached in this account; it is not deleted before the transaction ends."""
    return arn in managed.policies() or find_policy(tx, ctx, arn, Q.keep_policy) is not None


def not_attachable(arn: str) -> AwsError:
    """NoSuchEntity for a policy to attach, or a version to read."""
    return no_such_entity(f"Policy {arn} does not exist or is not attachable.")


def check_boundary(tx: Tx, ctx: Context, arn: str) -> None:
    """Raise unless ``arn`` can be a permissions boundary."""
    if not can_attach(tx, ctx, arn):
        raise no_such_entity(f"Scope ARN: {arn} does not exist or is not attachable.")


def _own(tx: Tx, ctx: Context, request: Params) -> Policy:
    """The account's policy that a request wants to change, locked."""
    arn = request["PolicyArn"]
    policy = find_policy(tx, ctx, arn, Q.lock_policy)
    if policy is not None:
        return policy
    if arns.policy(arn).account != ctx.account:
        raise AwsError("AccessDenied", "Policy is outside your own account.", 403)
    raise no_such_entity(f"Policy {arn} was not found.")


def _shape(tx: Tx, ctx: Context, policy: Policy) -> Params:
    arn = arn_of(ctx, policy)
    attached, bounds = tx.one(Q.count_uses, account=ctx.account, arn=arn) or (0, 0)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounds,
        "IsAttachable": True,
        "CreateDate": policy.created_at // 1000,
        "UpdateDate": policy.updated_at // 1000,
    }


def _check_document(document: str) -> None:
    check_identity_policy(document)
    if size(document) > POLICY_SIZE_MAX:
        raise quota("PolicySize", POLICY_SIZE_MAX)


def _check_count(tx: Tx, ctx: Context) -> None:
    (count,) = tx.one(Q.count_policies, account=ctx.account) or (0,)
    if count >= POLICIES_MAX:
        raise quota("PoliciesPerAccount", POLICIES_MAX)


def create_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a policy with its first version."""
    name, document = request["PolicyName"], request["PolicyDocument"]
    tags = entities.checked_tags(request)
    _check_document(document)
    if tx.one(Q.get_policy, account=ctx.account, name_key=name.lower()):
        raise already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    _check_count(tx, ctx)
    tx.send(Q.lock_account, account=ctx.account)
    _check_count(tx, ctx)
    policy = Policy(
        ctx.ids.row(ctx.now_ms), name, request.get("Path", "/"), "ANPA" + ctx.ids.key(17), request.get("Description"),
        ctx.now_ms, ctx.now_ms, entities.tags_json(tags), 1, 1,
    )  # fmt: skip
    tx.run(
        Q.insert_policy, id=policy.id, account=ctx.account, name_key=name.lower(), name=name, path=policy.path,
        unique_id=policy.unique_id, description=policy.description, created_at=ctx.now_ms, tags=policy.tags,
    )  # fmt: skip
    tx.run(Q.insert_version, policy=policy.id, version=1, document=document, created_at=ctx.now_ms)
    return {"Policy": {**_shape(tx, ctx, policy), **({"Tags": tags} if tags else {})}}


def get_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """A policy, its uses counted."""
    arn = request["PolicyArn"]
    shipped = managed.policies().get(arn)
    if shipped is not None:
        uses = tx.one(Q.count_uses, account=ctx.account, arn=arn) or (0, 0)
        return {"Policy": {**shipped.shape(*uses), "Tags": []}}
    policy = find_policy(tx, ctx, arn)
    if policy is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    shape = {**_shape(tx, ctx, policy), "Tags": entities.read_tags(policy.tags)}
    if policy.description is not None:
        shape["Description"] = policy.description
    return {"Policy": shape}


def delete_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a policy that is attached nowhere and has one version left."""
    policy = _own(tx, ctx, request)
    if any(tx.one(Q.count_uses, account=ctx.account, arn=request["PolicyArn"]) or ()):
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if len(tx.all(Q.list_versions, policy=policy.id)) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    tx.run(Q.delete_versions, policy=policy.id)
    tx.run(Q.delete_policy, id=policy.id)
    return {}


_OWN, _AWS = "1/", "2/"
"""Positions of policies in the one list of both: the account's own come first."""


def list_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's policies by name, then AWS's by name."""
    page = page_of(request)
    prefix, scope = request.get("PathPrefix", "/"), request.get("Scope", "All")
    wanted = _usage_wanted(request)
    found: list[tuple[str, Params]] = []
    if scope != "AWS" and page.after < _AWS:
        found += _own_page(tx, ctx, page.after.removeprefix(_OWN), prefix, page.fetch, wanted)
    if scope != "Local" and len(found) < page.fetch:
        for arn, shipped in managed.policies().items():
            position = f"{_AWS}{shipped.name}"
            if position > page.after and shipped.path.startswith(prefix):
                uses = tx.one(Q.count_uses, account=ctx.account, arn=arn) or (0, 0)
                if _is_wanted(wanted, *uses):
                    found.append((position, shipped.shape(*uses)))
    shown, more = cut(found[: page.fetch], page, lambda one: one[0])
    return {"Policies": [shape for _, shape in shown], **more}


def _usage_wanted(request: Params) -> tuple[bool, bool]:
    """Whether a listed policy must be attached, and whether it must be a boundary."""
    usage = request.get("PolicyUsageFilter")
    return request.get("OnlyAttached", False) or usage == "PermissionsPolicy", usage == "PermissionsBoundary"


def _is_wanted(wanted: tuple[bool, bool], attached: int, bounds: int) -> bool:
    return (attached > 0 or not wanted[0]) and (bounds > 0 or not wanted[1])


def _own_page(
    tx: Tx, ctx: Context, after: str, prefix: str, count: int, wanted: tuple[bool, bool]
) -> list[tuple[str, Params]]:
    """Up to ``count`` policies of the account with their positions, those that are not wanted skipped."""
    found: list[tuple[str, Params]] = []
    while len(found) < count:
        rows = tx.all(Q.list_policies, account=ctx.account, after=after, prefix=prefix, count=count)
        for row in rows:
            policy = Policy(*row)
            shape = _shape(tx, ctx, policy)
            after = policy.name.lower()
            if _is_wanted(wanted, shape["AttachmentCount"], shape["PermissionsBoundaryUsageCount"]):
                found.append((f"{_OWN}{after}", shape))
        if len(rows) < count:
            break
    return found[:count]


def create_policy_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add a version; it becomes the default one if asked."""
    policy = _own(tx, ctx, request)
    document = request["PolicyDocument"]
    _check_document(document)
    if len(tx.all(Q.list_versions, policy=policy.id)) >= VERSIONS_MAX:
        raise limit_exceeded(
            f"A managed policy can have up to {VERSIONS_MAX} versions. Before you create a new version, you must "
            "delete an existing version."
        )
    version, is_default = policy.last_version + 1, bool(request.get("SetAsDefault", False))
    tx.run(Q.insert_version, policy=policy.id, version=version, document=document, created_at=ctx.now_ms)
    tx.run(Q.add_version, id=policy.id, version=version, now=ctx.now_ms, is_default=int(is_default))
    shape = {"VersionId": f"v{version}", "IsDefaultVersion": is_default, "CreateDate": ctx.now_ms // 1000}
    return {"PolicyVersion": shape}


def _version_number(version_id: str) -> int:
    """``v12`` or ``v12.suffix`` as a number; 0, which no version has, for anything too long to be one."""
    digits = version_id[1:].partition(".")[0]
    return int(digits) if len(digits) < 10 else 0


def _no_version(arn: str, version_id: str) -> AwsError:
    return no_such_entity(f"Policy {arn} version {version_id} does not exist or is not attachable.")


def get_policy_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """A version with its document."""
    arn, version_id = request["PolicyArn"], request["VersionId"]
    missing = _no_version(arn, version_id)
    shipped = managed.policies().get(arn)
    if shipped is not None:
        if version_id != shipped.version:
            raise missing
        shape = {"Document": encoded(shipped.document), "VersionId": version_id, "IsDefaultVersion": True}
        return {"PolicyVersion": {**shape, "CreateDate": shipped.version_created_s}}
    policy = find_policy(tx, ctx, arn)
    row = policy and tx.one(Q.get_version, policy=policy.id, version=_version_number(version_id))
    if policy is None or row is None:
        raise missing
    version, document, created_at = row
    return {"PolicyVersion": {"Document": encoded(document), **_version_shape(policy, version, created_at)}}


def list_policy_versions(tx: Tx, ctx: Context, request: Params) -> Params:
    """Versions without their documents, newest first."""
    arn, page = request["PolicyArn"], page_of(request)
    shipped = managed.policies().get(arn)
    if shipped is not None:
        only = {"VersionId": shipped.version, "IsDefaultVersion": True, "CreateDate": shipped.version_created_s}
        return {"Versions": [only], "IsTruncated": False}
    policy = find_policy(tx, ctx, arn)
    if policy is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    before = int(page.after) if page.after.isdecimal() else policy.last_version + 1
    rows = [row for row in tx.all(Q.list_versions, policy=policy.id) if row[0] < before]
    shown, more = cut(rows[: page.fetch], page, lambda row: str(row[0]))
    return {"Versions": [_version_shape(policy, version, created_at) for version, _, created_at in shown], **more}


def _version_shape(policy: Policy, version: int, created_at: int) -> Params:
    is_default = version == policy.default_version
    return {"VersionId": f"v{version}", "IsDefaultVersion": is_default, "CreateDate": created_at // 1000}


def _get_version(tx: Tx, policy: Policy, request: Params) -> int:
    version = _version_number(request["VersionId"])
    if tx.one(Q.get_version, policy=policy.id, version=version) is None:
        raise _no_version(request["PolicyArn"], request["VersionId"])
    return version


def delete_policy_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a version that is not the default one."""
    policy = _own(tx, ctx, request)
    version = _get_version(tx, policy, request)
    if version == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    tx.run(Q.delete_version, policy=policy.id, version=version)
    return {}


def set_default_policy_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let another version decide."""
    policy = _own(tx, ctx, request)
    tx.run(Q.set_default_version, id=policy.id, version=_get_version(tx, policy, request))
    return {}


def tag_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags."""
    policy = _own(tx, ctx, request)
    tags = merged(entities.read_tags(policy.tags), request["Tags"])
    tx.run(Q.set_policy_tags, id=policy.id, tags=entities.tags_json(tags))
    return {}


def untag_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags."""
    policy = _own(tx, ctx, request)
    tags = without(entities.read_tags(policy.tags), request["TagKeys"])
    tx.run(Q.set_policy_tags, id=policy.id, tags=entities.tags_json(tags))
    return {}


def list_policy_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """Tags, by key; AWS's policies have none."""
    if request["PolicyArn"] in managed.policies():
        return {"Tags": [], "IsTruncated": False}
    policy = find_policy(tx, ctx, request["PolicyArn"])
    if policy is None:
        raise no_such_entity(f"Policy {request['PolicyArn']} was not found.")
    return entities.list_tags(entities.read_tags(policy.tags), request)


OPERATIONS = {
    "CreatePolicy": create_policy,
    "GetPolicy": get_policy,
    "DeletePolicy": delete_policy,
    "ListPolicies": list_policies,
    "CreatePolicyVersion": create_policy_version,
    "GetPolicyVersion": get_policy_version,
    "ListPolicyVersions": list_policy_versions,
    "DeletePolicyVersion": delete_policy_version,
    "SetDefaultPolicyVersion": set_default_policy_version,
    "TagPolicy": tag_policy,
    "UntagPolicy": untag_policy,
    "ListPolicyTags": list_policy_tags,
}
