"""Filter policies: which of a topic's messages a subscription gets.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html . SNS compiles policies with AWS's Event
Ruler; what it says of policies that cannot be, and where it says it stopped reading, comes from there.

``document`` reads a policy's JSON, ``grammar`` turns it into ``patterns``, ``cost`` refuses what is too much, and
``matching`` holds messages against what is left.
"""

from waypost.services.sns.rules.filters.compiler import compile_filter
from waypost.services.sns.rules.filters.matching import Filter

__all__ = ["Filter", "compile_filter"]
