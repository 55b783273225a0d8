"""From a policy's text to what decides."""

from waypost.services.sns import errors
from waypost.services.sns.rules.filters import cost, document, grammar
from waypost.services.sns.rules.filters.document import Refused
from waypost.services.sns.rules.filters.matching import Filter

SCOPES = ("MessageAttributes", "MessageBody")


def compile_filter(policy: str, scope: str, *, subscribing: bool = False) -> Filter:
    """What decides which messages a subscription gets; keep it, for compiling takes much longer than deciding.

    ``{}`` wants everything. ``scope`` is MessageAttributes or MessageBody. Raises ``AwsError`` for a policy that cannot
    be, in SNS's words; ``subscribing`` gives them the turn that they have in Subscribe.
    """
    try:
        body = scope == "MessageBody"
        return Filter(_checked(policy, nested=body), body=body)
    except Refused as refused:
        words = str(refused)
    raise errors.invalid("Attributes", words) if subscribing else errors.invalid(words)


def _checked(policy: str, *, nested: bool) -> grammar.Group:
    try:
        cost.check_size(policy)
        tree = document.read(policy)
        group = grammar.parse(tree) if tree != {} else ()
    except Refused as refused:
        raise Refused(f"FilterPolicy: {refused}") from None
    if not nested and any(field.depth > 1 for field in cost.fields_of(group)):
        # The one complaint that does not begin with the attribute's name.
        raise Refused("Filter policy scope MessageAttributes does not support nested filter policy")
    try:
        cost.check(group)
    except Refused as refused:
        raise Refused(f"FilterPolicy: {refused}") from None
    return group
