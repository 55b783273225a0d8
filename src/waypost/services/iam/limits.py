"""Quotas of IAM: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""

ROLES_MAX = 1_000
USERS_MAX = 5_000
GROUPS_MAX = 300
PROFILES_MAX = 1_000
POLICIES_MAX = 1_500

INLINE_SIZE_MAX = {"role": 10_240, "user": 2_048, "group": 5_120}
"""Characters of all inline policies of an entity together; white space is not counted."""
POLICY_SIZE_MAX = 6_144
"""Characters of a managed policy; white space is not counted."""
TRUST_SIZE_MAX = 2_048
"""Characters of a trust policy; white space is not counted."""
VERSIONS_MAX = 5
"""Versions of a managed policy kept at a time."""
ATTACHED_MAX = {"role": 20, "user": 10, "group": 10}
ACCESS_KEYS_MAX = 2
"""Access keys of a user."""
MEMBERSHIPS_MAX = 10
"""Groups of a user."""
TAGS_MAX = 50

SESSION_DEFAULT_S = 3_600
"""MaxSessionDuration of a role that names none."""
PAGE_DEFAULT = 100
PAGE_MAX = 1_000
DELETION_KEPT_MS = 7 * 86_400_000
"""How long the outcome of a service-linked role's deletion can be asked for."""
