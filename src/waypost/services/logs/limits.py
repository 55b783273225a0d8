"""AWS's quotas (docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html), and our bounds."""

EVENT_OVERHEAD_BYTES = 26
"""What PutLogEvents counts for each event besides its message in UTF-8."""
BATCH_BYTES_MAX = 1_048_576
"""One PutLogEvents, counted so."""
EVENT_BYTES_MAX = 1_048_576
"""One event, counted so."""
BATCH_SPAN_MS_MAX = 86_400_000
"""From the oldest to the newest valid event of one PutLogEvents."""
EVENT_AGE_MS_MAX = 1_209_600_000
"""Events older than 14 days are rejected, the rest of their batch is not."""
EVENT_AHEAD_MS_MAX = 7_200_000
"""Events more than 2 hours ahead are rejected, too."""

RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""What PutRetentionPolicy accepts."""

SUBSCRIPTIONS_MAX = 2
"""Subscription filters of a log group (API_PutSubscriptionFilter)."""
REGEXES_MAX = 2
"""Regular expressions in one filter pattern of fields or of JSON."""
TAGS_MAX = 50
"""Tags of a log group."""
POLICIES_MAX = 10
"""Resource policies of an account in a region."""

PAGE_DEFAULT = 50
"""Groups, streams or filters of one page."""
EVENTS_PAGE_MAX = 10_000
"""Events of one page."""
EVENTS_PAGE_BYTES_MAX = 1_048_576
"""Events of one page, counted as PutLogEvents counts them; one event is always answered."""
TOKEN_LIFE_MS = 86_400_000
"""How long a page's token is good."""

ROW_SPAN_MS_MAX = 60_000
"""From the oldest to the newest event of one row: an instant is looked for in rows that begin so much before it."""
ROW_BYTES_MAX = 65_536
"""Events of one row, unless it is one that is larger."""
PACK_BYTES_MIN = 256
"""Rows from this size on are compressed."""
SCANNED_EVENTS_MAX = 10_000
"""Events after which one FilterLogEvents looks at no more rows, fewer where its pattern takes long; its page may be
empty, and its token goes on."""
SCANNED_EVENT_BYTES = 400
"""So many bytes count as one more event looked at."""
SCANNED_ROWS_MAX = 5_000
"""The same for rows."""
READ_ROWS = (2, 512)
"""Rows of the first and of the largest look of one page."""
READ_BYTES_MAX = 4_194_304
"""What one look should bring at most, judged by the looks before it."""
STREAMS_APART_MAX = 100
"""So many streams are read each by itself; more of one prefix among all of their group."""
NAMES_LOOKED_AT_MAX = 5_000
"""Groups that one page of a list looks at for a substring; its token goes on."""

EXPIRE_PAUSE_MS = 600_000
"""Between two looks for expired events of a group."""
EXPIRE_LAG_MS = 3_600_000
"""How far before its last look the next one begins: for transactions that were late then."""
CLEAN_BATCH_MAX = 200
"""Rows that a background step deletes."""
DELIVERY_BYTES_MAX = 1_048_576
"""An event for a subscribed function: Lambda's largest asynchronous payload. A larger batch is divided."""
