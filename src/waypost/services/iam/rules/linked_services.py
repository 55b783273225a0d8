"""Services that have a role of their own, and what AWS calls it."""

import json

ROLE_NAMES = {
    "apidestinations.events.amazonaws.com": "AmazonEventBridgeApiDestinations",
    "autoscaling.amazonaws.com": "AutoScaling",
    "backup.amazonaws.com": "Backup",
    "batch.amazonaws.com": "Batch",
    "config.amazonaws.com": "Config",
    "custom-resource.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_CustomResource",
    "dynamodb.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_DynamoDBTable",
    "ecs.amazonaws.com": "ECS",
    "ecs.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_ECSService",
    "eks.amazonaws.com": "AmazonEKS",
    "elasticache.amazonaws.com": "ElastiCache",
    "elasticbeanstalk.amazonaws.com": "ElasticBeanstalk",
    "elasticloadbalancing.amazonaws.com": "ElasticLoadBalancing",
    "events.amazonaws.com": "CloudWatchEvents",
    "guardduty.amazonaws.com": "AmazonGuardDuty",
    "kafka.amazonaws.com": "Kafka",
    "lambda.amazonaws.com": "Lambda",
    "lambda.application-autoscaling.amazonaws.com": "ApplicationAutoScaling_LambdaConcurrency",
    "mq.amazonaws.com": "AmazonMQ",
    "ops.apigateway.amazonaws.com": "APIGateway",
    "rds.amazonaws.com": "RDS",
    "redshift.amazonaws.com": "Redshift",
    "replicator.lambda.amazonaws.com": "LambdaReplicator",
    "schemas.amazonaws.com": "Schemas",
    "spot.amazonaws.com": "EC2Spot",
    "spotfleet.amazonaws.com": "EC2SpotFleet",
    "ssm.amazonaws.com": "AmazonSSM",
}
"""The service's principal, and the role's name without ``AWSServiceRoleFor``."""

WITH_SUFFIX = frozenset({"autoscaling.amazonaws.com"})
"""Services that may have several roles, told apart by a suffix."""


def role_name(service: str, suffix: str | None) -> str:
    """``AWSServiceRoleForAutoScaling_suffix``."""
    return f"AWSServiceRoleFor{ROLE_NAMES[service]}" + (f"_{suffix}" if suffix else "")


def trust_policy(service: str) -> str:
    """Only the service itself may assume its role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
