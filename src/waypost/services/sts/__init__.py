"""STS: who am I, and temporary credentials."""

from waypost.service import Service
from waypost.services.sts.operations import OPERATIONS
from waypost.services.sts.sessions import EXPIRE, expire

_NO_MFA = "there are no MFA devices yet"

SERVICE = Service(
    name="sts",
    model="sts",
    operations=OPERATIONS,
    jobs={EXPIRE: expire},
    refuses={
        "AssumeRole": {
            "SerialNumber": _NO_MFA,
            "TokenCode": _NO_MFA,
            "ExternalId": "trust policies are not evaluated yet, so nothing would check it",
            "ProvidedContexts": "there are no context providers yet",
        },
        "GetSessionToken": {"SerialNumber": _NO_MFA, "TokenCode": _NO_MFA},
    },
    refusal_code="ValidationError",
    notes={
        "AssumeRole": (
            "The role must exist, in whatever account; its trust policy and session policies are kept but do not "
            "decide yet, and an account's root may assume roles. PackedPolicySize is computed from deflated JSON."
        ),
        "GetAccessKeyInfo": "Knows the keys of sessions and users of this server.",
    },
)
