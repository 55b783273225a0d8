"""Which fields a definition may have, by where they stand."""

MACHINE = frozenset({"Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "Version", "States"})
BRANCH = frozenset({"Comment", "StartAt", "States", "ProcessorConfig"})

_EVERYWHERE = frozenset({"Type", "Comment", "QueryLanguage"})
_MOVES = frozenset({"Next", "End"})
_PATHS = frozenset({"InputPath", "OutputPath"})
_RESULT = frozenset({"ResultPath", "Parameters"})
_ASSIGNS = frozenset({"Output", "Assign"})
_FAILS = frozenset({"ResultSelector", "Retry", "Catch"})

STATES: dict[str, frozenset[str]] = {
    "Task": _EVERYWHERE
    | _MOVES
    | _PATHS
    | _RESULT
    | _ASSIGNS
    | _FAILS
    | {
        "Arguments",
        "Resource",
        "Credentials",
        "TimeoutSeconds",
        "TimeoutSecondsPath",
        "HeartbeatSeconds",
        "HeartbeatSecondsPath",
    },
    "Wait": _EVERYWHERE | _MOVES | _PATHS | _ASSIGNS | {"Seconds", "Timestamp", "SecondsPath", "TimestampPath"},
    "Pass": _EVERYWHERE | _MOVES | _PATHS | _RESULT | _ASSIGNS | {"Result"},
    "Succeed": _EVERYWHERE | _PATHS | {"Output"},
    "Fail": _EVERYWHERE | {"Error", "Cause", "ErrorPath", "CausePath"},
    "Choice": _EVERYWHERE | _PATHS | _ASSIGNS | {"Choices", "Default"},
    "Parallel": _EVERYWHERE | _MOVES | _PATHS | _RESULT | _ASSIGNS | _FAILS | {"Arguments", "Branches"},
    "Map": _EVERYWHERE
    | _MOVES
    | _PATHS
    | _RESULT
    | _ASSIGNS
    | _FAILS
    | {
        "ItemProcessor",
        "Iterator",
        "ItemsPath",
        "Items",
        "ItemSelector",
        "ItemReader",
        "ItemBatcher",
        "ResultWriter",
        "MaxConcurrency",
        "MaxConcurrencyPath",
        "ToleratedFailurePercentage",
        "ToleratedFailurePercentagePath",
        "ToleratedFailureCount",
        "ToleratedFailureCountPath",
        "Label",
    },
}
"""By type, in the order in which AWS names the types."""

RETRIER = frozenset(
    {"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"}
)
CATCHER = frozenset({"ErrorEquals", "Next", "ResultPath", "Output", "Assign", "Comment"})

JSONPATH_ONLY = (
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
)
JSONATA_ONLY = ("Arguments", "Output", "Items")

DISTRIBUTED_ONLY = (
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "Label",
)
