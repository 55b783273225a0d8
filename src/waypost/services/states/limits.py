"""Quotas of Step Functions: docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html."""

NAME_MAX = 80
"""Characters of a machine's, execution's or activity's name."""
INPUT_MAX_BYTES = 262_144
"""Input and output of states, tasks and executions, in UTF-8."""
TAGS_MAX = 50
"""Tags of a machine or an activity."""
PAGE_DEFAULT = 100
"""Items of a page where maxResults says nothing."""
TOKEN_TTL_MS = 24 * 3_600_000
"""How long a page token is good for."""
RETENTION_MS = 90 * 86_400_000
"""How long an execution that ended is kept, and its name with it."""
ACTIVITY_POLL_MS = 60_000
"""How long GetActivityTask waits for a task."""

# Ours.
CALLS_MAX = 20
"""Calls to other services within one transaction of one execution; the next ones are jobs of their own."""
HISTORY_PAGE_BYTES = 4 << 20
"""About how much of a history one response holds, however many events were asked for."""
HISTORY_ROW_BYTES = 1 << 20
"""About how much history one row holds at most."""
BODY_INLINE_CHARS = 1_500
"""A branch's documents lie beside its head where they are no longer: each step of the branch writes them again."""
SWEEP_BATCH = 200
"""Executions removed in one transaction."""
SWEEP_EVERY_MS = 86_400_000
"""How often a machine's expired executions are looked for."""
REMOVE_EVERY_MS = 1_000
"""How soon it is looked whether a machine that is being deleted may go; then after twice as long, and so on. Its last
execution removes it as a rule; this is for one that ended in the same instant in which the deletion began."""
PROGRAMS_MAX = 500
"""Compiled definitions kept in memory."""
