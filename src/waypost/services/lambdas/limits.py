"""AWS's quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html ."""

TIMEOUT_S_MAX = 900
"""Longest Timeout of a function."""
MEMORY_MB_MAX = 10_240
"""Largest MemorySize."""
EPHEMERAL_MB_MAX = 10_240
"""Largest /tmp."""
NAME_MAX = 64
"""Characters of a function's name."""
TAGS_MAX = 50
"""Tags of a function or mapping."""
ENVIRONMENT_BYTES_MAX = 4_096
"""All environment variables together, as JSON."""

ZIP_BYTES_MAX = 52_428_800
"""A zip as uploaded."""
UNZIPPED_BYTES_MAX = 262_144_000
"""A zip's content."""

LAYERS_MAX = 5
"""Layers of a function."""
LAYERS_PAGE_MAX = 50
"""Items of one ListLayers or ListLayerVersions page."""

PAYLOAD_BYTES_MAX = {"RequestResponse": 6_291_456, "Event": 1_048_576}
"""Payload of an invocation, by its type."""
CLIENT_CONTEXT_BYTES_MAX = 3_583
"""The ClientContext header, base64."""
BATCH_BYTES_MAX = 6_291_456
"""A batch of an event source mapping is a synchronous payload."""
LOG_TAIL_BYTES_MAX = 4_096
"""What LogType Tail answers: the last bytes of the log."""

POLICY_BYTES_MAX = 20_480
"""A function's resource policy."""

FUNCTIONS_PAGE_MAX = 50
"""Items of one ListFunctions or ListVersionsByFunction page."""
ALIASES_PAGE_MAX = 50
"""Items of one ListAliases page."""
PROVISIONED_PAGE_MAX = 50
"""Items of one ListProvisionedConcurrencyConfigs page."""
EVENT_CONFIGS_PAGE_MAX = 50
"""Items of one ListFunctionEventInvokeConfigs page."""
MAPPINGS_PAGE_MAX = 100
"""Items of one ListEventSourceMappings page."""

CONCURRENT_EXECUTIONS_MAX = 1_000
"""Invocations at the same time of all functions of an account in a region."""
UNRESERVED_MIN = 100
"""What is left of that for functions that reserve nothing."""
CODE_BYTES_MAX = 322_122_547_200
"""Zips of all functions, versions and layers of an account in a region. Told by GetAccountSettings, not enforced."""

ASYNC_AGE_MS_MAX = 21_600_000
"""How long an asynchronous event is kept while the function is throttled."""
ASYNC_RETRY_DELAYS_MS = (60_000, 120_000)
"""After the first and the second function error."""
ASYNC_THROTTLE_DELAYS_MS = (1_000, 300_000)
"""First and longest delay while throttled."""

CREDENTIALS_S = 43_200
"""Life of the role credentials in a function's environment; renewed at half of it."""

BATCH_MAX = 10_000
"""Largest BatchSize with a batching window."""
BATCH_MAX_WITHOUT_WINDOW = 10
"""Largest BatchSize without one."""
FILTERS_MAX = 5
"""Filters of an event source mapping. AWS raises it to 10 on request."""
DROPPED_MAX = 100
"""Messages that no filter wants, deleted in one claim: it must not hold the store for long."""
RECEIVE_MAX = 10
"""Messages of one ReceiveMessage."""
CONCURRENCY_START = 5
"""Concurrent batches that a mapping begins with."""
CONCURRENCY_PER_S = 5
"""Added while the backlog lasts: 300 a minute."""
CONCURRENCY_MAX = 1_250
"""Concurrent batches of one mapping without a ScalingConfig."""
