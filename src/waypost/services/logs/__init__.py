"""CloudWatch Logs: groups, streams, events, filters."""

from waypost.service import Service
from waypost.services.logs.jobs import JOBS
from waypost.services.logs.operations import events, groups, metric_filters, policies, streams, subscriptions, tags

_NO_KMS = "there is no KMS whose keys could encrypt"
_NO_OTHER_ACCOUNTS = "no account is linked to another"
_NO_TRANSFORMERS = "there are no transformers"
_ONLY_ACCOUNTS = "policies are of the account"
_NO_INSIGHTS = "only Insights queries could read what is in it, and there are none yet"
_PERMISSION = "Policies of the function are not looked at yet: AWS refuses a function that does not let it in."

SERVICE = Service(
    name="logs",
    model="logs",
    operations={
        "CreateLogGroup": groups.create_log_group,
        "CreateLogStream": streams.create_log_stream,
        "DeleteLogGroup": groups.delete_log_group,
        "DeleteLogStream": streams.delete_log_stream,
        "DeleteResourcePolicy": policies.delete_resource_policy,
        "DeleteRetentionPolicy": groups.delete_retention_policy,
        "DeleteSubscriptionFilter": subscriptions.delete_subscription_filter,
        "DescribeLogGroups": groups.describe_log_groups,
        "DescribeLogStreams": streams.describe_log_streams,
        "DescribeResourcePolicies": policies.describe_resource_policies,
        "DescribeSubscriptionFilters": subscriptions.describe_subscription_filters,
        "FilterLogEvents": events.filter_log_events,
        "GetLogEvents": events.get_log_events,
        "ListLogGroups": groups.list_log_groups,
        "ListTagsForResource": tags.list_tags_for_resource,
        "ListTagsLogGroup": tags.list_tags_log_group,
        "PutLogEvents": events.put_log_events,
        "PutLogGroupDeletionProtection": groups.put_log_group_deletion_protection,
        "PutResourcePolicy": policies.put_resource_policy,
        "PutRetentionPolicy": groups.put_retention_policy,
        "PutSubscriptionFilter": subscriptions.put_subscription_filter,
        "TagLogGroup": tags.tag_log_group,
        "TagResource": tags.tag_resource,
        "TestMetricFilter": metric_filters.test_metric_filter,
        "UntagLogGroup": tags.untag_log_group,
        "UntagResource": tags.untag_resource,
        "waypost:Append": events.append,
    },
    jobs=JOBS,
    refuses={
        "CreateLogGroup": {
            "kmsKeyId": _NO_KMS,
            "logGroupClass=INFREQUENT_ACCESS|ESSENTIALS|DELIVERY": _NO_INSIGHTS,
        },
        "DeleteResourcePolicy": {"resourceArn": _ONLY_ACCOUNTS, "expectedRevisionId": _ONLY_ACCOUNTS},
        "DescribeLogGroups": {
            "accountIdentifiers": _NO_OTHER_ACCOUNTS,
            "includeLinkedAccounts": _NO_OTHER_ACCOUNTS,
        },
        "DescribeResourcePolicies": {"resourceArn": _ONLY_ACCOUNTS, "policyScope=RESOURCE": _ONLY_ACCOUNTS},
        "ListLogGroups": {
            "accountIdentifiers": _NO_OTHER_ACCOUNTS,
            "dataSources": "groups have no data sources",
            "fieldIndexNames": "there are no field indexes",
            "includeLinkedAccounts": _NO_OTHER_ACCOUNTS,
            "logGroupTags": "groups are not listed by tags yet",
        },
        "PutLogEvents": {"entity": "there are no entities to relate events to"},
        "PutResourcePolicy": {"resourceArn": _ONLY_ACCOUNTS, "expectedRevisionId": _ONLY_ACCOUNTS},
        "PutSubscriptionFilter": {
            "applyOnTransformedLogs": _NO_TRANSFORMERS,
            "emitSystemFields": "events are those of the account and region",
            "fieldSelectionCriteria": "events are those of the account and region",
        },
    },
    refusal_code="InvalidParameterException",
    notes={
        "DescribeLogGroups": "storedBytes is exact and counts as PutLogEvents does; AWS's is late, and of compressed"
        " events. metricFilterCount is 0: metric filters are refused, for there are no metrics.",
        "FilterLogEvents": "One call looks at 10,000 events at most; its page may be empty and have a token, as on AWS."
        " Of a pattern's JSON property != holds only where it is there; [*] means any element.",
        "PutResourcePolicy": "Kept and answered; nothing is decided by policies yet. Policies of one log group are"
        " refused.",
        "PutSubscriptionFilter": f"Destinations other than Lambda functions are refused. {_PERMISSION} Matching events"
        " are promised to the function in the transaction that takes them, and delivered as its asynchronous"
        " invocations are.",
        "TestMetricFilter": "Metric filters themselves are refused: there are no metrics.",
    },
)
