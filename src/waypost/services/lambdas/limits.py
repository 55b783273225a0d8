"""AWS's quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html ."""

TIMEOUT_S_MAX = 900
MEMORY_MB_MAX = 10_240
EPHEMERAL_MB_MAX = 10_240
NAME_MAX = 64
TAGS_MAX = 50
ENVIRONMENT_BYTES_MAX = 4_096

ZIP_BYTES_MAX = 52_428_800
UNZIPPED_BYTES_MAX = 262_144_000

PAYLOAD_BYTES_MAX = {"RequestResponse": 6_291_456, "Event": 1_048_576}
CLIENT_CONTEXT_BYTES_MAX = 3_583
BATCH_BYTES_MAX = 6_291_456
"""A batch of an event source mapping is a synchronous payload."""
LOG_TAIL_BYTES_MAX = 4_096

POLICY_BYTES_MAX = 20_480

FUNCTIONS_PAGE_MAX = 50
MAPPINGS_PAGE_MAX = 100

ASYNC_AGE_MS_MAX = 21_600_000
ASYNC_RETRY_DELAYS_MS = (60_000, 120_000)
"""After the first and the second function error."""
ASYNC_THROTTLE_DELAYS_MS = (1_000, 300_000)
"""First and longest delay while throttled."""

CREDENTIALS_S = 43_200

BATCH_MAX = 10_000
BATCH_MAX_WITHOUT_WINDOW = 10
RECEIVE_MAX = 10
"""Messages of one ReceiveMessage."""
CONCURRENCY_START = 5
CONCURRENCY_PER_S = 5
"""A mapping begins with five concurrent batches and adds 300 a minute while its backlog lasts."""
CONCURRENCY_MAX = 1_250
