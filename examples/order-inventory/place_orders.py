"""Place orders, watch their workflows live, print each one's timeline, and check that all ended as they should.

Orders are in stock, out of stock, or for an item that is being counted and never answered.
"""

import argparse
import json
import sys
import time
import uuid
from dataclasses import dataclass, field

import boto3

LIMIT_S = 60
DRAIN_LIMIT_S = 15
LOOK_S = 0.1

# Item, quantity, and how its workflow must end.
ORDERS = (
    ("lantern", 2, "CONFIRMED"),
    ("rope", 40, "CONFIRMED"),
    ("lantern", 1, "CONFIRMED"),
    ("compass", 1, "REJECTED"),
    ("rope", 41, "REJECTED"),
    ("sextant", 1, "UNANSWERED"),
)
NOTICES = {"REJECTED": "out of stock", "UNANSWERED": "nobody answered"}


class Wrong(Exception):  # noqa: N818 (what the example found)
    """Something did not end as it should."""


@dataclass
class Order:
    """An order and what is known of its workflow."""

    order_id: str
    item: str
    quantity: int
    expected: str
    execution_arn: str = ""
    status: str = "RUNNING"
    where: str = "started"
    outcome: dict = field(default_factory=dict)
    events: list = field(default_factory=list)

    def line(self):
        return f"{self.order_id}  {self.quantity:3} {self.item:8}  {self.status:9}  {self.where}"


class Board:
    """The orders on the terminal: redrawn in place on a terminal, a line per change elsewhere."""

    def __init__(self, orders, out=sys.stdout):
        self.orders = orders
        self.out = out
        self.live = out.isatty()
        self.shown = {}
        self.drawn = False

    def show(self):
        if self.live:
            if self.drawn:
                self.out.write(f"\x1b[{len(self.orders)}A")
            self.out.writelines(f"\x1b[2K{order.line()}\n" for order in self.orders)
            self.drawn = True
        else:
            for order in self.orders:
                if self.shown.get(order.order_id) != order.line():
                    self.shown[order.order_id] = order.line()
                    self.out.write(f"{order.line()}\n")
        self.out.flush()


def place(workflows, machine_arn):
    """Start a workflow for each order."""
    run = uuid.uuid4().hex[:6]
    orders = []
    for number, (item, quantity, expected) in enumerate(ORDERS, 1):
        order = Order(f"{run}-{number}", item, quantity, expected)
        given = {"orderId": order.order_id, "item": item, "quantity": quantity}
        started = workflows.start_execution(
            stateMachineArn=machine_arn, name=f"order-{order.order_id}", input=json.dumps(given)
        )
        order.execution_arn = started["executionArn"]
        orders.append(order)
    return orders


def watch(workflows, orders):
    """Follow the workflows until all have ended, and keep their histories."""
    board = Board(orders)
    end = time.monotonic() + LIMIT_S
    board.show()
    while running := [order for order in orders if order.status == "RUNNING"]:
        if time.monotonic() > end:
            raise Wrong(f"{len(running)} orders are still under way after {LIMIT_S} s: {running[0].line()}")
        for order in running:
            found = workflows.describe_execution(executionArn=order.execution_arn)
            order.events = history(workflows, order.execution_arn)
            order.where = last_place(order.events)
            order.status = found["status"]
            if order.status != "RUNNING":
                order.events = history(workflows, order.execution_arn)
                order.where = last_place(order.events)
                order.outcome = json.loads(found.get("output") or "{}")
        board.show()
        time.sleep(LOOK_S)


def history(workflows, execution_arn):
    pages = workflows.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    return [event for page in pages for event in page["events"]]


def last_place(events):
    """Which state a workflow is in, and how often it has been asked there."""
    place, attempts = "started", 0
    for event in events:
        if event["type"].endswith("StateEntered"):
            place, attempts = event["stateEnteredEventDetails"]["name"], 0
        elif event["type"] == "TaskScheduled":
            attempts += 1
    return f"{place} (asked {attempts} times)" if attempts > 1 else place


def print_timelines(orders):
    for order in orders:
        print(f"\norder {order.order_id}: {order.quantity} {order.item}, {order.status}")
        began = order.events[0]["timestamp"]
        for event in order.events:
            after_s = (event["timestamp"] - began).total_seconds()
            print(f"  {after_s:8.3f} s  {event['id']:3}  {event['type']:24}  {detail(event)}".rstrip())


def detail(event):
    """The part of an event worth a place on the line."""
    for name, details in event.items():
        if name.endswith("EventDetails"):
            shown = [str(details[key]) for key in ("name", "resource", "error", "cause") if key in details]
            if not shown and "output" in details:
                shown = [details["output"]]
            text = ", ".join(shown)
            return text if len(text) <= 90 else text[:87] + "..."
    return ""


def check(orders, counted_by):
    """Every workflow ended as its order should, on the way it should have taken."""
    for order in orders:
        types = [event["type"] for event in order.events]
        states = [
            event["stateEnteredEventDetails"]["name"] for event in order.events if "stateEnteredEventDetails" in event
        ]
        expect(order, "event ids", [event["id"] for event in order.events], list(range(1, len(types) + 1)))
        if order.expected == "CONFIRMED":
            expect(order, "status", order.status, "SUCCEEDED")
            expect(order, "states", states, ["Request inventory", "Confirm order"])
            wanted = {
                "orderId": order.order_id,
                "status": "CONFIRMED",
                "reservation": f"{order.item}-{order.order_id}",
                "countedBy": counted_by,
            }
            expect(order, "output", order.outcome, wanted)
        elif order.expected == "REJECTED":
            expect(order, "status", order.status, "SUCCEEDED")
            expect(order, "states", states, ["Request inventory", "Tell the customer", "Reject order"])
            wanted = {"orderId": order.order_id, "status": "REJECTED", "reason": "OutOfStock"}
            expect(order, "output", order.outcome, wanted)
        else:
            expect(order, "status", order.status, "FAILED")
            expect(order, "states", states, ["Request inventory", "Call a person", "Order unanswered"])
            expect(order, "times without an answer", types.count("TaskTimedOut"), 2)
            expect(order, "error", order.events[-1]["executionFailedEventDetails"]["error"], "InventoryUnanswered")


def expect(order, what, found, wanted):
    if found != wanted:
        raise Wrong(f"order {order.order_id} ({order.quantity} {order.item}): {what} should be {wanted}, is {found}")


def check_notices(sqs, queue_url, orders):
    """The notices queue holds exactly one word for each order that could not be confirmed."""
    wanted = {order.order_id: NOTICES[order.expected] for order in orders if order.expected in NOTICES}
    found = {}
    end = time.monotonic() + DRAIN_LIMIT_S
    while found.keys() != wanted.keys() and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            notice = json.loads(message["Body"])
            if notice["orderId"] in wanted:  # others are left from an earlier run
                if notice["orderId"] in found:
                    raise Wrong(f"order {notice['orderId']} got two notices")
                found[notice["orderId"]] = notice["notice"]
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    if found != wanted:
        raise Wrong(f"the notices should be {wanted}, are {found}")
    return found


def check_drained(sqs, queue_url):
    """Nothing waits in the order queue, nothing is under way: also the unanswered message was dealt with."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    end = time.monotonic() + DRAIN_LIMIT_S
    while True:
        counts = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        if all(int(counts[name]) == 0 for name in names):
            return
        if time.monotonic() > end:
            raise Wrong(f"the order queue is not empty: {counts}")
        time.sleep(LOOK_S)


def tell_the_story(session, deployed, counted_by):
    """Place the orders, watch, print, check; raises ``Wrong`` with the reason."""
    workflows, sqs = session.client("stepfunctions"), session.client("sqs")
    orders = place(workflows, deployed.machine_arn)
    watch(workflows, orders)
    print_timelines(orders)
    check(orders, counted_by)
    notices = check_notices(sqs, deployed.notice_queue_url, orders)
    check_drained(sqs, deployed.order_queue_url)
    confirmed = sum(order.expected == "CONFIRMED" for order in orders)
    print(f"\n{confirmed} orders confirmed, {len(notices)} notices: {', '.join(sorted(notices.values()))}")


def main():
    from deploy import RUNTIMES, Deployed  # noqa: PLC0415 (only this way in needs it)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), default="nodejs", help="what is deployed")
    arguments = parser.parse_args()
    session = boto3.session.Session()
    sqs = session.client("sqs")
    machines = session.client("stepfunctions").get_paginator("list_state_machines").paginate()
    arns = {known["name"]: known["stateMachineArn"] for page in machines for known in page["stateMachines"]}
    deployed = Deployed(
        sqs.get_queue_url(QueueName="MyOrder")["QueueUrl"],
        sqs.get_queue_url(QueueName="OrderNotices")["QueueUrl"],
        arns["Inventory-State-Machine"],
    )
    try:
        tell_the_story(session, deployed, arguments.runtime)
    except Wrong as wrong:
        print(f"\nplace_orders: {wrong}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
