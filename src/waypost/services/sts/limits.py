"""Bounds of STS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""

ROLE_DEFAULT_S = 3_600
CHAINED_MAX_S = 3_600
"""Longest session of a role assumed with another role's credentials."""
SESSION_DEFAULT_S = 43_200
ROOT_SESSION_MAX_S = 3_600
"""Longest GetSessionToken of an account's root."""
POLICY_CHARS_MAX = 2_048
POLICY_ARNS_MAX = 10
PACKED_BYTES_MAX = 2_048
"""What session policies and tags may take once packed; the response shows it as a percentage."""
TOKEN_BYTES = 256
"""Random bytes of a session token."""
