"""Event source mappings on SQS queues."""

from typing import Any, NamedTuple

import msgspec

from waypost.aws.errors import AwsError
from waypost.ids import is_uuid
from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import Function, get
from waypost.services.lambdas.limits import MAPPINGS_PAGE_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import configuration, filters, mapping, markers, names
from waypost.store.queries import Query
from waypost.store.store import Tx

SUPERVISOR = "lambda:mappings"
"""Wakes who watches over all mappings."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode


class Mapping(NamedTuple):
    """A row of ``lambda_mapping``."""

    id: int
    uuid: str
    function_name: str
    qualifier: str
    source_arn: str
    queue_url: str
    batch_size: int
    window_s: int
    report_failures: int
    concurrency_max: int | None
    enabled: int
    modified: int
    tags: str
    filters: str


def wake_key(uuid: str) -> str:
    """Wakes the poller of a mapping: it changed, or its function came into being."""
    return f"lambda:mapping:{uuid}"


def create_event_source_mapping(tx: Tx, ctx: Context, request: Params) -> Params:
    """Begin to feed a function from a queue."""
    source = mapping.check_source(request.get("EventSourceArn"), ctx.region)
    mapping.check_members(request)
    tags = request.get("Tags") or {}
    configuration.check_tags(tags)
    named, function = _function(tx, ctx, request["FunctionName"])
    wanted = _changed(
        Mapping(
            ctx.ids.row(ctx.now_ms), ctx.ids.uuid(), named.name, named.qualifier, str(source), "", 10, 0, 0, None, 1, 0,
            _encode(tags).decode(), "[]",
        ),
        ctx, request,
    )  # fmt: skip
    wanted = wanted._replace(queue_url=_queue_url(tx, ctx, source.account, source.resource))
    _check(tx, ctx, wanted, function)
    _check_single(tx, ctx, wanted)
    tx.run(Q.insert_mapping, account=ctx.account, region=ctx.region, **wanted._asdict())
    tx.wake(SUPERVISOR, 0)
    return describe(ctx, wanted, "Creating" if wanted.enabled else "Disabled")


def get_event_source_mapping(tx: Tx, ctx: Context, request: Params) -> Params:
    """One of them."""
    return describe(ctx, find(tx, ctx, request["UUID"]))


def list_event_source_mappings(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of those of a queue, of a function, or of all."""
    limit = min(request.get("MaxItems", MAPPINGS_PAGE_MAX), MAPPINGS_PAGE_MAX)
    name = request.get("FunctionName")
    rows = tx.all(
        Q.list_mappings, account=ctx.account, region=ctx.region, after=markers.read_number(request.get("Marker"), 0),
        source_arn=request.get("EventSourceArn") or "",
        function_name=names.resolve(ctx.account, ctx.region, name).name if name else "", limit=limit + 1,
    )  # fmt: skip
    page = [Mapping(*row) for row in rows[:limit]]
    answer: Params = {"EventSourceMappings": [describe(ctx, found) for found in page]}
    if len(rows) > limit:
        answer["NextMarker"] = markers.write(str(page[-1].id))
    return answer


def update_event_source_mapping(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change what the request names; the batch that a function is working on is not disturbed."""
    found = find(tx, ctx, request["UUID"], Q.lock_mapping)
    mapping.check_members(request)
    changed = _changed(found, ctx, request)
    if request.get("FunctionName"):
        named, function = _function(tx, ctx, request["FunctionName"])
        changed = changed._replace(function_name=named.name, qualifier=named.qualifier)
        _check(tx, ctx, changed, function)
        _check_single(tx, ctx, changed)
    else:
        _check_batching(changed)
    unchanged = {"uuid", "source_arn", "queue_url", "tags"}
    tx.send(Q.update_mapping, **{name: value for name, value in changed._asdict().items() if name not in unchanged})
    tx.wake(wake_key(changed.uuid), 0)
    state = "Updating"
    if changed.enabled != found.enabled:
        state = "Enabling" if changed.enabled else "Disabling"
    return describe(ctx, changed, state)


def delete_event_source_mapping(tx: Tx, ctx: Context, request: Params) -> Params:
    """End it; a batch that a function is working on still settles."""
    found = find(tx, ctx, request["UUID"], Q.lock_mapping)
    tx.send(Q.delete_mapping, id=found.id)
    tx.wake(wake_key(found.uuid), 0)
    return describe(ctx, found, "Deleting")


def find(tx: Tx, ctx: Context, uuid: str, query: Query = Q.get_mapping) -> Mapping:
    """The mapping; raises ResourceNotFoundException. ``query`` may be the one that locks it."""
    row = tx.one(query, uuid=uuid, account=ctx.account, region=ctx.region) if is_uuid(uuid) else None
    if row is None:
        raise errors.resource_not_found()
    return Mapping(*row)


def describe(ctx: Context, found: Mapping, state: str = "") -> Params:
    """A mapping as AWS shows it; without ``state``, in the state that it rests in."""
    function_arn = names.function_arn(ctx.account, ctx.region, found.function_name)
    answer: Params = {
        "UUID": found.uuid,
        "BatchSize": found.batch_size,
        "MaximumBatchingWindowInSeconds": found.window_s,
        "EventSourceArn": found.source_arn,
        "FunctionArn": names.qualified(function_arn, found.qualifier),
        "LastModified": found.modified / 1_000,
        "State": state or ("Enabled" if found.enabled else "Disabled"),
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [mapping.REPORT_FAILURES] if found.report_failures else [],
        "EventSourceMappingArn": names.mapping_arn(ctx.account, ctx.region, found.uuid),
    }
    patterns = _decode(found.filters)
    if patterns:
        answer["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in patterns]}
    if found.concurrency_max is not None:
        answer["ScalingConfig"] = {"MaximumConcurrency": found.concurrency_max}
    return answer


def _function(tx: Tx, ctx: Context, text: str) -> tuple[names.Named, Function]:
    named = names.resolve(ctx.account, ctx.region, text)
    function = get(tx, named)
    if function is None:
        raise errors.invalid("Function does not exist")
    return named, function


def _changed(found: Mapping, ctx: Context, request: Params) -> Mapping:
    """The mapping as ``request`` wants it, its function aside."""
    changes: dict[str, Any] = {"modified": ctx.now_ms}
    if request.get("BatchSize") is not None:
        changes["batch_size"] = request["BatchSize"]
    if request.get("MaximumBatchingWindowInSeconds") is not None:
        changes["window_s"] = request["MaximumBatchingWindowInSeconds"]
    if request.get("Enabled") is not None:
        changes["enabled"] = int(request["Enabled"])
    if request.get("FunctionResponseTypes") is not None:
        changes["report_failures"] = int(mapping.REPORT_FAILURES in request["FunctionResponseTypes"])
    if request.get("ScalingConfig") is not None:
        changes["concurrency_max"] = request["ScalingConfig"].get("MaximumConcurrency")
    if request.get("FilterCriteria") is not None:
        patterns = [one.get("Pattern") or "" for one in request["FilterCriteria"].get("Filters") or []]
        filters.check(patterns)
        changes["filters"] = _encode(patterns).decode()
    return found._replace(**changes)


def _check_batching(wanted: Mapping) -> None:
    mapping.check_batching(wanted.batch_size, wanted.window_s, fifo=wanted.source_arn.endswith(".fifo"))


def _check(tx: Tx, ctx: Context, wanted: Mapping, function: Function) -> None:
    _check_batching(wanted)
    answer = _ask_queue(
        tx, ctx, "GetQueueAttributes", {"QueueUrl": wanted.queue_url, "AttributeNames": ["VisibilityTimeout"]}
    )
    mapping.check_visibility(int(answer["Attributes"]["VisibilityTimeout"]), function.timeout_s)


def _check_single(tx: Tx, ctx: Context, wanted: Mapping) -> None:
    # Of two at the same moment the unique index lets one through; the other runs again and is refused here.
    row = tx.one(
        Q.find_mapping, account=ctx.account, region=ctx.region, function_name=wanted.function_name,
        source_arn=wanted.source_arn, qualifier=wanted.qualifier,
    )  # fmt: skip
    if row is not None and row[0] != wanted.uuid:
        raise errors.conflict(
            f'An event source mapping with SQS arn (" {wanted.source_arn} ") and function (" {wanted.function_name} ") '
            f"already exists. Please update or delete the existing mapping with UUID {row[0]}"
        )


def _queue_url(tx: Tx, ctx: Context, account: str, name: str) -> str:
    answer = _ask_queue(tx, ctx, "GetQueueUrl", {"QueueName": name, "QueueOwnerAWSAccountId": account})
    return str(answer["QueueUrl"])


def _ask_queue(tx: Tx, ctx: Context, operation: str, request: Params) -> Params:
    try:
        return ctx.calls.call(tx, ctx, "sqs", operation, request)
    except AwsError as error:
        # The shape's name is one, the code on the wire another: AWS quotes the latter here.
        code = "AWS.SimpleQueueService.NonExistentQueue" if error.code == "QueueDoesNotExist" else error.code
        raise errors.invalid(
            f"Error occurred while ReceiveMessage. SQS Error Code: {code}. SQS Error Message: {error.message}"
        ) from None
