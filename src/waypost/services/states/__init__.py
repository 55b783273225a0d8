"""Step Functions: state machines, executions, task tokens, activities."""

from waypost.service import Service
from waypost.services.states import jobs
from waypost.services.states.operations import activities, executions, history, machines, tagging, tasks

_NO_VERSIONS = "versions are not built yet"
_NO_TRACING = "there is no X-Ray to send traces to"
_NO_KMS = "there is no KMS whose keys could encrypt"

SERVICE = Service(
    name="states",
    model="stepfunctions",
    operations={
        "CreateActivity": activities.create_activity,
        "CreateStateMachine": machines.create_state_machine,
        "DeleteActivity": activities.delete_activity,
        "DeleteStateMachine": machines.delete_state_machine,
        "DescribeActivity": activities.describe_activity,
        "DescribeExecution": executions.describe_execution,
        "DescribeStateMachine": machines.describe_state_machine,
        "DescribeStateMachineForExecution": machines.describe_state_machine_for_execution,
        "GetActivityTask": activities.get_activity_task,
        "GetExecutionHistory": history.get_execution_history,
        "ListActivities": activities.list_activities,
        "ListExecutions": executions.list_executions,
        "ListStateMachineVersions": machines.list_state_machine_versions,
        "ListStateMachines": machines.list_state_machines,
        "ListTagsForResource": tagging.list_tags_for_resource,
        "SendTaskFailure": tasks.send_task_failure,
        "SendTaskHeartbeat": tasks.send_task_heartbeat,
        "SendTaskSuccess": tasks.send_task_success,
        "StartExecution": executions.start_execution,
        "StopExecution": executions.stop_execution,
        "TagResource": tagging.tag_resource,
        "UntagResource": tagging.untag_resource,
        "UpdateStateMachine": machines.update_state_machine,
        "ValidateStateMachineDefinition": machines.validate_state_machine_definition,
    },
    jobs={
        "states.continue": jobs.go_on,
        "states.settle": jobs.settle,
        "states.sweep": jobs.sweep,
        "states.task": jobs.task,
        "states.timer": jobs.timer,
    },
    refuses={
        "CreateActivity": {"encryptionConfiguration.type=CUSTOMER_MANAGED_KMS_KEY": _NO_KMS},
        "CreateStateMachine": {
            "encryptionConfiguration.type=CUSTOMER_MANAGED_KMS_KEY": _NO_KMS,
            "publish": _NO_VERSIONS,
            "tracingConfiguration.enabled": _NO_TRACING,
        },
        "ListExecutions": {
            "mapRunArn": "distributed Map is not built yet",
            "redriveFilter": "redrive is not built yet",
        },
        "UpdateStateMachine": {
            "encryptionConfiguration.type=CUSTOMER_MANAGED_KMS_KEY": _NO_KMS,
            "publish": _NO_VERSIONS,
            "tracingConfiguration.enabled": _NO_TRACING,
        },
        "ValidateStateMachineDefinition": {"severity=WARNING": "only errors are looked for"},
    },
    notes={
        "CreateStateMachine": "Type EXPRESS and logging levels other than OFF are refused."
        " Task resources: lambda:invoke, a function's ARN, sqs:sendMessage, an activity's ARN;"
        " lambda:invoke and sqs:sendMessage also with .waitForTaskToken."
        " Others are refused by InvalidDefinition.",
        "DeleteStateMachine": "The records of the machine's executions go with it.",
        "ListStateMachineVersions": "Always empty: publishing is refused.",
        "UpdateStateMachine": "Logging levels other than OFF are refused.",
    },
)
