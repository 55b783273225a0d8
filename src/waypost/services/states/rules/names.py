"""What a machine, an execution or an activity may be called."""

import re

from waypost.services.states.limits import NAME_MAX

_FORBIDDEN = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ufffe\uffff\ud800-\udfff\U0010ffff]")


def is_valid(name: str) -> bool:
    """Whether AWS takes the name."""
    return 0 < len(name) <= NAME_MAX and _FORBIDDEN.search(name) is None
