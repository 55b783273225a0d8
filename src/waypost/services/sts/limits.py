"""Bounds of STS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""

ROLE_DEFAULT_S = 3_600
"""AssumeRole without DurationSeconds."""
CHAINED_MAX_S = 3_600
"""Longest session of a role assumed with another role's credentials."""
SESSION_DEFAULT_S = 43_200
"""GetSessionToken without DurationSeconds."""
ROOT_SESSION_MAX_S = 3_600
"""Longest GetSessionToken of an account's root."""
POLICY_CHARS_MAX = 2_048
"""Characters of a session policy."""
POLICY_ARNS_MAX = 10
"""Managed session policies."""
PACKED_BYTES_MAX = 2_048
"""What session policies and tags may take once packed; the response shows it as a percentage."""
TOKEN_BYTES = 256
"""Random bytes of a session token."""
