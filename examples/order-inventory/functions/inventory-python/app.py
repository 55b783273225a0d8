"""The inventory: is fed by the queue, checks the stock, and answers the workflow that waits."""

import json
import os

import boto3

# Item > pieces in stock; None means that it is being counted by hand, and the answer may never come.
STOCK = json.loads(os.environ["STOCK"])

workflows = boto3.client("stepfunctions")
GONE = (workflows.exceptions.TaskTimedOut, workflows.exceptions.TaskDoesNotExist)


def handler(event, _context):
    failures = []
    for record in event["Records"]:
        try:
            answer(json.loads(record["body"]))
        except GONE:
            # A queue delivers at least once: a task that was answered before, or timed out meanwhile, is done.
            pass
        except Exception as error:  # noqa: BLE001 (this message comes again, the others of the batch do not)
            print(f"message {record['messageId']}: {error!r}")
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def answer(request):
    token, order_id, item, quantity = (request[name] for name in ("taskToken", "orderId", "item", "quantity"))
    in_stock = STOCK.get(item, 0)
    if in_stock is None:
        print(f"order {order_id}: {item} is being counted, no answer")
        return
    workflows.send_task_heartbeat(taskToken=token)
    if quantity > in_stock:
        print(f"order {order_id}: {quantity} {item} asked, {in_stock} there")
        cause = f"{quantity} {item} asked, {in_stock} in stock"
        workflows.send_task_failure(taskToken=token, error="OutOfStock", cause=cause)
        return
    print(f"order {order_id}: {quantity} {item} reserved")
    output = {"reservation": f"{item}-{order_id}", "countedBy": "python"}
    workflows.send_task_success(taskToken=token, output=json.dumps(output))
