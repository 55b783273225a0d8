"""IAM: roles, policies, users and groups of an account. Stored and echoed faithfully; enforcement comes later."""

from waypost.service import Service
from waypost.services.iam import managed
from waypost.services.iam.operations import (
    access_keys,
    account,
    attachments,
    inline_policies,
    instance_profiles,
    internal,
    linked_roles,
    policies,
    roles,
    users,
)

_SHIPPED = (
    "Policies of AWS that this release ships: "
    + ", ".join(policy.arn.partition(":policy/")[2] for policy in managed.policies().values())
    + ". Any other arn:aws:iam::aws:policy/* is refused with NoSuchEntity."
)

SERVICE = Service(
    name="iam",
    model="iam",
    operations={
        **roles.OPERATIONS,
        **inline_policies.OPERATIONS,
        **policies.OPERATIONS,
        **attachments.OPERATIONS,
        **instance_profiles.OPERATIONS,
        **linked_roles.OPERATIONS,
        **users.OPERATIONS,
        **access_keys.OPERATIONS,
        **account.OPERATIONS,
        **internal.OPERATIONS,
    },
    refusal_code="InvalidInputException",
    notes={
        "AttachRolePolicy": _SHIPPED,
        "GetPolicyVersion": "Of AWS's own policies only the newest version known to this release.",
        "GetRole": "RoleLastUsed is always empty: the use of roles is not tracked.",
        "CreateServiceLinkedRole": "Names of AWS's roles are known for common services; no policy is attached to them.",
        "DeleteServiceLinkedRole": "Done at once; the service is not asked whether it still uses the role.",
        "CreateRole": "Trust, identity and boundary policies are stored and shown; no request is refused for them yet.",
        "CreateAccessKey": "Requests signed with any key are still the account's root: users are not yet callers.",
    },
)
