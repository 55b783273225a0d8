"""The account as a whole: its summary and its alias."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import limits
from waypost.services.iam.entities import GROUP, PROFILE, ROLE, USER, Q
from waypost.services.iam.errors import already_exists, no_such_entity
from waypost.services.iam.rules.pages import page_of
from waypost.store.store import Tx


def get_account_summary(tx: Tx, ctx: Context, _request: Params) -> Params:
    """What there is, and the quotas. What Waypost does not have counts nothing."""
    counts = {
        kind: (tx.one(Q.count_entities, account=ctx.account, kind=kind.kind) or (0,))[0]
        for kind in (ROLE, USER, GROUP, PROFILE)
    }
    (policies,) = tx.one(Q.count_policies, account=ctx.account) or (0,)
    (versions,) = tx.one(Q.count_versions_in_use, account=ctx.account) or (0,)
    return {
        "SummaryMap": {
            "AccessKeysPerUserQuota": limits.ACCESS_KEYS_MAX,
            "AccountAccessKeysPresent": 0,
            "AccountMFAEnabled": 0,
            "AccountPasswordPresent": 0,
            "AccountSigningCertificatesPresent": 0,
            "AssumeRolePolicySizeQuota": limits.TRUST_SIZE_MAX,
            "AttachedPoliciesPerGroupQuota": limits.ATTACHED_MAX["group"],
            "AttachedPoliciesPerRoleQuota": limits.ATTACHED_MAX["role"],
            "AttachedPoliciesPerUserQuota": limits.ATTACHED_MAX["user"],
            "GlobalEndpointTokenVersion": 1,
            "GroupPolicySizeQuota": limits.INLINE_SIZE_MAX["group"],
            "Groups": counts[GROUP],
            "GroupsPerUserQuota": limits.MEMBERSHIPS_MAX,
            "GroupsQuota": limits.GROUPS_MAX,
            "InstanceProfiles": counts[PROFILE],
            "InstanceProfilesQuota": limits.PROFILES_MAX,
            "MFADevices": 0,
            "MFADevicesInUse": 0,
            "Policies": policies,
            "PoliciesQuota": limits.POLICIES_MAX,
            "PolicySizeQuota": limits.POLICY_SIZE_MAX,
            "PolicyVersionsInUse": versions,
            "PolicyVersionsInUseQuota": 10_000,
            "Providers": 0,
            "RolePolicySizeQuota": limits.INLINE_SIZE_MAX["role"],
            "Roles": counts[ROLE],
            "RolesQuota": limits.ROLES_MAX,
            "ServerCertificates": 0,
            "ServerCertificatesQuota": 20,
            "SigningCertificatesPerUserQuota": 2,
            "UserPolicySizeQuota": limits.INLINE_SIZE_MAX["user"],
            "Users": counts[USER],
            "UsersQuota": limits.USERS_MAX,
            "VersionsPerPolicyQuota": limits.VERSIONS_MAX,
        }
    }


def create_account_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """Give the account a name that no other account has; it takes the place of the one before."""
    alias = request["AccountAlias"]
    owner = tx.one(Q.find_alias, alias=alias)
    if owner is not None:
        raise already_exists(f"The account alias {alias} already exists.")
    if not tx.run(Q.put_alias, account=ctx.account, alias=alias):
        raise already_exists(f"The account alias {alias} already exists.")  # made at the same moment
    return {}


def delete_account_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take the account's name away."""
    alias = request["AccountAlias"]
    if (tx.one(Q.lock_alias, account=ctx.account) or ("",))[0] != alias:
        raise no_such_entity(f"The account alias with name {alias} cannot be found.")
    tx.run(Q.delete_alias, account=ctx.account, alias=alias)
    return {}


def list_account_aliases(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's name: one at most."""
    page = page_of(request)
    rows = tx.all(Q.get_alias, account=ctx.account)
    return {"AccountAliases": [alias for (alias,) in rows if alias > page.after], "IsTruncated": False}


OPERATIONS: dict[str, Operation] = {
    "GetAccountSummary": get_account_summary,
    "CreateAccountAlias": create_account_alias,
    "DeleteAccountAlias": delete_account_alias,
    "ListAccountAliases": list_account_aliases,
}
