"""The ``Resource`` of a Task, read."""

import re

from waypost.asl.commands import Pattern, Resource

_ARN = re.compile(r"arn:[^:]+:(?P<service>[^:]+):(?P<region>[^:]*):(?P<account>[^:]*):(?P<rest>.+)", re.DOTALL)
_INTEGRATION = re.compile(
    r"(?P<service>(?:aws-sdk:)?[^:.]+):(?P<action>[^:.]+)(?P<suffix>\.sync(?::2)?|\.waitForTaskToken)?"
)

_NO_SYNC = frozenset({"lambda", "sns", "sqs", "dynamodb", "events", "apigateway", "http"})
_NO_TOKEN = frozenset(
    {
        "athena",
        "batch",
        "codebuild",
        "elasticmapreduce",
        "emr-containers",
        "emr-serverless",
        "glue",
        "databrew",
        "mediaconvert",
        "sagemaker",
        "dynamodb",
        "http",
    }
)


def parse_resource(arn: str) -> Resource | None:
    """Read a resource; None if it is not the ARN of anything a Task can run."""
    match = _ARN.fullmatch(arn)
    if match is None:
        return None
    service, rest = match["service"], match["rest"]
    if service == "lambda" and rest.startswith("function:"):
        return Resource(arn=arn, kind="lambda-function")
    if service != "states":
        return None
    if rest.startswith("activity:"):
        return Resource(arn=arn, kind="activity")
    if match["region"] or match["account"]:
        return None
    return _integration(arn, rest)


def _integration(arn: str, rest: str) -> Resource | None:
    match = _INTEGRATION.fullmatch(rest)
    if match is None:
        return None
    service, action, suffix = match["service"], match["action"], match["suffix"] or ""
    pattern: Pattern = "request_response"
    version = 0
    if suffix.startswith(".sync"):
        if service in _NO_SYNC or service.startswith("aws-sdk:") or (suffix == ".sync:2" and service != "states"):
            return None
        pattern, version = "sync", 2 if suffix == ".sync:2" else 1
    elif suffix:
        if service in _NO_TOKEN:
            return None
        pattern = "wait_for_task_token"
    return Resource(
        arn=arn,
        kind="service",
        service=service,
        action=action,
        pattern=pattern,
        sync_version=version,
        shown=f"{action}{suffix}",
    )
