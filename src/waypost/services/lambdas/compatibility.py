"""What of Lambda's requests Waypost does not act on: refused, and listed in the documentation."""

from collections.abc import Mapping

_LATER = "not built yet"
_ZIP = "functions are deployed as zips in the request; there is no S3 and no container registry"

_CODE = {
    "S3Bucket": _ZIP, "S3Key": _ZIP, "S3ObjectVersion": _ZIP, "S3ObjectStorageMode": _ZIP, "ImageUri": _ZIP,
    "SourceKMSKeyArn": "code is not encrypted with customer keys",
}  # fmt: skip
_VERSIONS = {"PublishTo": "there are no capacity providers"}

_CONFIGURATION = {
    "VpcConfig.SubnetIds": "functions run on this host's network",
    "VpcConfig.SecurityGroupIds": "functions run on this host's network",
    "VpcConfig.Ipv6AllowedForDualStack": "functions run on this host's network",
    "KMSKeyArn": "environment variables are not encrypted with customer keys",
    "TracingConfig.Mode=Active": "there is no X-Ray to trace to",
    "FileSystemConfigs": "there are no file systems to mount",
    "ImageConfig": _ZIP,
    "SnapStart.ApplyOn=PublishedVersions": "environments are not restored from snapshots",
    "LoggingConfig.LogFormat=JSON": _LATER,
    "LoggingConfig.ApplicationLogLevel": "levels belong to the JSON log format, which is not built yet",
    "LoggingConfig.SystemLogLevel": "levels belong to the JSON log format, which is not built yet",
    "CapacityProviderConfig": "there are no capacity providers",
    "DurableConfig": "durable functions are not built yet",
    "RuntimeConfig": "customer-managed runtimes are not built yet",
    "AcceleratorConfig": "there are no accelerators",
}

_MAPPING = {
    "KMSKeyArn": "filters are not encrypted with customer keys",
    "MetricsConfig.Metrics": "there are no metrics to send",
    "LoggingConfig": "there is no log of mappings",
    "ProvisionedPollerConfig": "concurrency grows with the backlog by itself",
}

REFUSES: Mapping[str, Mapping[str, str]] = {
    "CreateFunction": {
        **{f"Code.{member}": why for member, why in _CODE.items()},
        **_VERSIONS,
        **_CONFIGURATION,
        "PackageType=Image": _ZIP,
        "CodeSigningConfigArn": "code is not signed",
        "TenancyConfig": _LATER,
    },
    "PublishVersion": _VERSIONS,
    "PublishLayerVersion": {f"Content.{member}": why for member, why in _CODE.items() if member.startswith("S3")},
    "UpdateFunctionCode": {**_CODE, **_VERSIONS},
    "UpdateFunctionConfiguration": _CONFIGURATION,
    "Invoke": {
        "DurableExecutionName": "durable functions are not built yet",
        "TenantId": "tenant isolation is not built yet",
    },
    "PutFunctionRecursionConfig": {"RecursiveLoop=Terminate": "recursive loops are not detected yet"},
    "PutRuntimeManagementConfig": {
        "UpdateRuntimeOn=Manual|FunctionUpdate": "functions run on the interpreter that the host has",
        "RuntimeVersionArn": "functions run on the interpreter that the host has",
    },
    "ListFunctions": {"MasterRegion": "there are no replicated edge functions"},
    "CreateEventSourceMapping": _MAPPING,
    "UpdateEventSourceMapping": _MAPPING,
}

NOTES: Mapping[str, str] = {
    "CreateFunction": (
        "Runtimes python3.* and nodejs*.x, as far as the host has their interpreters. Functions are ready at once. "
        "Code runs on the host's own processor, whatever Architectures says."
    ),
    "PutFunctionConcurrency": (
        "Where nodes share a store, each gets its part of the number; one whose part is 0 throttles the function."
    ),
    "PutProvisionedConcurrencyConfig": (
        "As many environments stay started as the host has room for (environments_max). $LATEST may use what is "
        "reserved even where all of it is provisioned. Where nodes share a store, each keeps its part."
    ),
    "GetProvisionedConcurrencyConfig": (
        "Where nodes share a store, a node knows of its own part only, and takes the others' for complete."
    ),
    "GetAccountSettings": "TotalCodeSize of AccountLimit is AWS's quota; it is not enforced.",
    "CreateEventSourceMapping": (
        "SQS queues. Mappings are enabled at once. While the function does not exist, messages stay in the queue "
        "unreceived. Filters have the comparisons that Lambda's page lists; wildcard and cidr are refused."
    ),
    "AddPermission": "Kept and answered; nothing is decided by resource policies yet.",
    "PublishLayerVersion": (
        "A function's layers are unpacked over one another into one folder, whose parts are on its paths (python, "
        "nodejs, bin, lib) as those of /opt are on Lambda. There is nothing at /opt itself."
    ),
    "AddLayerVersionPermission": "A statement for an organization opens the layer to nobody: there are none.",
    "CreateAlias": "Of two versions one is drawn for each request.",
    "GetFunctionRecursionConfig": "Loops are not detected: it answers Allow, where AWS's default is Terminate.",
    "GetFunctionCodeSigningConfig": "Code signing is refused, so no function has a configuration.",
    "Invoke": (
        "An event that has failed for good, and has neither a destination nor a dead-letter target, is dropped with a "
        "line in the log."
    ),
    "PutFunctionEventInvokeConfig": (
        "Destinations are queues, topics and functions; EventBridge, S3 and Kafka are refused. The function's role is "
        "not asked whether it may send there."
    ),
}
