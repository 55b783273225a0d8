"""StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask: dead letters out of their queue."""

from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors
from waypost.services.sqs.counts import count
from waypost.services.sqs.limits import MOVE_LIST_MAX, MOVE_TASKS_MAX
from waypost.services.sqs.moves import Task, schedule
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, find_arn
from waypost.services.sqs.rules import moves
from waypost.services.sqs.rules.moves import Handle
from waypost.store.store import Tx


def start_message_move_task(tx: Tx, ctx: Context, request: Params) -> Params:
    """Begin to move the messages of a dead-letter queue; answers the task's handle."""
    moves.check_rate(request.get("MaxNumberOfMessagesPerSecond"))
    source = _queue(tx, ctx, request, "SourceArn")
    if tx.one(Q.lock_queue, account=source.account, region=source.region, name=source.name) is None:
        raise moves.no_resource("SourceArn")
    if not tx.all(Q.list_sources, dead_letter_arn=source.arn, after="", limit=1):
        raise moves.no_dead_letter_queue()
    destination = None
    if request.get("DestinationArn"):
        destination = _queue(tx, ctx, request, "DestinationArn")
        if destination.id == source.id:
            raise errors.invalid("Source queue arn and destination queue arn cannot be the same.")
        if destination.fifo != source.fifo:
            raise errors.invalid("The source queue and destination queue must be of the same queue type.")
    known = [Task(*row) for row in tx.all(Q.list_moves, queue=source.id, limit=MOVE_LIST_MAX)]
    if any(task.status in {moves.RUNNING, moves.CANCELLING} for task in known):
        raise moves.already_running()
    named = {"account": ctx.account, "region": ctx.region}
    _check_active(tx, named)
    tx.send(Q.lock_move_account, **named)
    _check_active(tx, named)
    task = Task(
        queue=source.id, id=ctx.ids.row(ctx.now_ms), uuid=ctx.ids.uuid(),
        destination_arn=None if destination is None else destination.arn,
        rate=request.get("MaxNumberOfMessagesPerSecond"), status=moves.RUNNING, moved=0,
        to_move=count(tx, ctx, source).all, failure=None,
    )  # fmt: skip
    if len(known) == MOVE_LIST_MAX:
        tx.send(Q.delete_old_moves, queue=source.id, id=known[-1].id)
    tx.run(Q.insert_move, **named, **task._asdict())
    schedule(tx, ctx, source, task)
    return {"TaskHandle": moves.write_handle(Handle(task.uuid, source.arn))}


def _check_active(tx: Tx, named: dict[str, str]) -> None:
    (active,) = tx.one(Q.count_moves, limit=MOVE_TASKS_MAX, **named) or (0,)
    if active >= MOVE_TASKS_MAX:
        raise moves.too_many()


def list_message_move_tasks(tx: Tx, ctx: Context, request: Params) -> Params:
    """The newest tasks of a queue, the newest first."""
    wanted = moves.check_results(request.get("MaxResults"))
    source = _queue(tx, ctx, request, "SourceArn")
    rows = tx.all(Q.list_moves, queue=source.id, limit=wanted)
    return {"Results": [_shown(source, Task(*row)) for row in rows]}


def _shown(source: Queue, task: Task) -> Params:
    shown: Params = {
        "Status": task.status,
        "SourceArn": source.arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
    }
    if task.status == moves.RUNNING:
        shown["TaskHandle"] = moves.write_handle(Handle(task.uuid, source.arn))
    if task.destination_arn is not None:
        shown["DestinationArn"] = task.destination_arn
    if task.rate is not None:
        shown["MaxNumberOfMessagesPerSecond"] = task.rate
    if task.failure is not None:
        shown["FailureReason"] = task.failure
    return shown


def cancel_message_move_task(tx: Tx, ctx: Context, request: Params) -> Params:
    """Stop a task; what it has moved stays where it is."""
    if not request.get("TaskHandle"):
        raise errors.missing("TaskHandle")
    handle = moves.read_handle(request["TaskHandle"])
    source = _queue(tx, ctx, {"SourceArn": handle.source_arn}, "SourceArn")
    rows = tx.all(Q.list_moves, queue=source.id, limit=MOVE_LIST_MAX)
    found = next((task for row in rows if (task := Task(*row)).uuid == handle.task_id), None)
    if found is None:
        raise moves.no_task()
    row = tx.one(Q.cancel_move, queue=found.queue, id=found.id)
    if row is None:
        raise moves.no_task()  # it has ended, or is about to
    schedule(tx, ctx, source, found)
    return {"ApproximateNumberOfMessagesMoved": row[0]}


def _queue(tx: Tx, ctx: Context, request: Params, parameter: str) -> Queue:
    """The queue of an ARN in a request; raises ``AwsError``."""
    text = request.get(parameter)
    if not text:
        raise errors.missing(parameter)
    queue_arn = moves.read_arn(parameter, text)
    if queue_arn.account != ctx.account:
        raise errors.denied(text)
    found = find_arn(tx, queue_arn) if queue_arn.region == ctx.region else None
    if found is None:
        raise moves.no_resource(parameter)
    return found


OPERATIONS: dict[str, Operation] = {
    "CancelMessageMoveTask": cancel_message_move_task,
    "ListMessageMoveTasks": list_message_move_tasks,
    "StartMessageMoveTask": start_message_move_task,
}
