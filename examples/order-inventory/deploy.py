"""Set up the workflow with boto3: queues, roles, function, event source mapping, state machine.

Can be run again at any time: what is there is brought up to date.
"""

import argparse
import io
import json
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

HERE = Path(__file__).resolve().parent
FUNCTION = "Inventory"
LAMBDA_ROLE = "inventory-lambda-role"
STATES_ROLE = "inventory-state-machine-role"
MACHINE = "Inventory-State-Machine"
QUEUE_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
STOCK = {"lantern": 12, "rope": 40, "compass": 0, "sextant": None}
PYTHON = f"python3.{sys.version_info.minor}"
"""A Python that is certainly on this machine: the one that runs this program."""
RUNTIMES = {
    "nodejs": ("nodejs20.x", "index.handler", "inventory-node"),
    "python": (PYTHON, "app.handler", "inventory-python"),
}
SETTLE_LIMIT_S = 60


@dataclass(frozen=True)
class Deployed:
    """What the order program needs to know."""

    order_queue_url: str
    notice_queue_url: str
    machine_arn: str


def deploy(session, runtime, say=print):
    """Bring everything up to date with the function in ``runtime``, nodejs or python."""
    sqs, iam = session.client("sqs"), session.client("iam")
    order_url, order_arn = queue(sqs, "MyOrder")
    notice_url, notice_arn = queue(sqs, "OrderNotices")
    say(f"queues           {order_url}, {notice_url}")

    answer_workflow = (HERE / "policies" / "answer-workflow.json").read_text("utf-8")
    lambda_role = role(iam, LAMBDA_ROLE, "lambda-trust.json", {"answer-workflow": answer_workflow}, [QUEUE_POLICY])
    send = filled("policies/send-messages.json", OrderQueueArn=order_arn, NoticeQueueArn=notice_arn)
    states_role = role(iam, STATES_ROLE, "states-trust.json", {"send-messages": send}, [])
    say(f"roles            {lambda_role}, {states_role}")

    lambdas = session.client("lambda")
    function_arn = function(lambdas, runtime, lambda_role)
    say(f"function         {function_arn} on {RUNTIMES[runtime][0]}")
    say(f"event source     {mapping(lambdas, order_arn)}")

    definition = filled("state-machine.json", OrderQueueUrl=order_url, NoticeQueueUrl=notice_url)
    machine_arn = machine(session.client("stepfunctions"), definition, states_role)
    say(f"state machine    {machine_arn}")
    return Deployed(order_url, notice_url, machine_arn)


def queue(sqs, name):
    """A queue with default settings; answers its URL and ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def role(iam, name, trust, inline, managed):
    """A role with inline policies (name > document) and managed ones (ARNs); answers its ARN."""
    trust = (HERE / "policies" / trust).read_text("utf-8")
    try:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Description="Order inventory example")
    except iam.exceptions.EntityAlreadyExistsException:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    for policy, document in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document)
    for arn in managed:
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    return iam.get_role(RoleName=name)["Role"]["Arn"]


def function(lambdas, runtime, role_arn):
    """The function, with its code and settings; answers its ARN once it can be used."""
    name, handler, folder = RUNTIMES[runtime]
    code = zipped(HERE / "functions" / folder)
    settings = {
        "Runtime": name,
        "Handler": handler,
        "Role": role_arn,
        "Timeout": 10,
        "MemorySize": 256,
        "Environment": {"Variables": {"STOCK": json.dumps(STOCK)}},
    }
    try:
        lambdas.get_function(FunctionName=FUNCTION)
    except lambdas.exceptions.ResourceNotFoundException:
        settled(lambda: lambdas.create_function(FunctionName=FUNCTION, Code={"ZipFile": code}, **settings))
        lambdas.get_waiter("function_active_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    else:
        waiter = lambdas.get_waiter("function_updated_v2")
        lambdas.update_function_code(FunctionName=FUNCTION, ZipFile=code)
        waiter.wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
        settled(lambda: lambdas.update_function_configuration(FunctionName=FUNCTION, **settings))
        waiter.wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    return lambdas.get_function_configuration(FunctionName=FUNCTION)["FunctionArn"]


def settled(call):
    """Call until a role made a moment ago can be assumed: on AWS that takes some seconds."""
    end = time.monotonic() + SETTLE_LIMIT_S
    while True:
        try:
            return call()
        except ClientError as error:
            if "cannot be assumed" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(1)


def mapping(lambdas, queue_arn):
    """The event source mapping that feeds the function from the queue; answers its UUID once it is enabled."""
    found = lambdas.list_event_source_mappings(EventSourceArn=queue_arn, FunctionName=FUNCTION)["EventSourceMappings"]
    if found:
        uuid = found[0]["UUID"]
    else:
        uuid = lambdas.create_event_source_mapping(
            EventSourceArn=queue_arn,
            FunctionName=FUNCTION,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )["UUID"]
    end = time.monotonic() + SETTLE_LIMIT_S
    while (state := lambdas.get_event_source_mapping(UUID=uuid)["State"]) != "Enabled":
        if time.monotonic() > end:
            raise TimeoutError(f"the event source mapping {uuid} is still {state}")
        time.sleep(0.1)
    return uuid


def machine(workflows, definition, role_arn):
    """The state machine; answers its ARN."""
    for page in workflows.get_paginator("list_state_machines").paginate():
        for known in page["stateMachines"]:
            if known["name"] == MACHINE:
                arn = known["stateMachineArn"]
                workflows.update_state_machine(stateMachineArn=arn, definition=definition, roleArn=role_arn)
                return arn
    made = workflows.create_state_machine(name=MACHINE, definition=definition, roleArn=role_arn, type="STANDARD")
    return made["stateMachineArn"]


def filled(file, **values):
    """A file's text with its ${Name} places filled."""
    text = (HERE / file).read_text("utf-8")
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def zipped(folder):
    """The zip of a folder's files, the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)), (2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return packed.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), default="nodejs", help="what the function is written in")
    arguments = parser.parse_args()
    deploy(boto3.session.Session(), arguments.runtime)
    return 0


if __name__ == "__main__":
    sys.exit(main())
