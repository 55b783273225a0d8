"""Quotas of IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""

ROLES_MAX = 1_000
"""Roles of an account."""
USERS_MAX = 5_000
"""Users of an account."""
GROUPS_MAX = 300
"""Groups of an account."""
PROFILES_MAX = 1_000
"""Instance profiles of an account."""
POLICIES_MAX = 1_500
"""Managed policies that an account makes."""

INLINE_SIZE_MAX = {"role": 10_240, "user": 2_048, "group": 5_120}
"""Characters of all inline policies of an entity together; white space is not counted."""
POLICY_SIZE_MAX = 6_144
"""Characters of a managed policy; white space is not counted."""
TRUST_SIZE_MAX = 2_048
"""Characters of a trust policy; white space is not counted."""
VERSIONS_MAX = 5
"""Versions of a managed policy kept at a time."""
ATTACHED_MAX = {"role": 20, "user": 10, "group": 10}
"""Managed policies attached to an entity."""
ACCESS_KEYS_MAX = 2
"""Access keys of a user."""
MEMBERSHIPS_MAX = 10
"""Groups of a user."""
TAGS_MAX = 50
"""Tags of a role, user, policy or instance profile."""

SESSION_DEFAULT_S = 3_600
"""MaxSessionDuration of a role that names none."""
PAGE_DEFAULT = 100
"""Items of a list's page when MaxItems is not given."""
DELETION_KEPT_MS = 7 * 86_400_000
"""How long the outcome of a service-linked role's deletion can be asked for."""
