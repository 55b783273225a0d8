"""Publish and PublishBatch."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params, Perform
from waypost.services.sns import deliveries, errors, signing
from waypost.services.sns.delivery import fan_out, signables
from waypost.services.sns.limits import BATCH_ID_MAX, BATCH_MAX, DEDUP_MS, SIZE_MAX_DEFAULT
from waypost.services.sns.queries import Q
from waypost.services.sns.rules import fifo, messages, names, phones
from waypost.services.sns.topic import Published, Topic, addressed, find, write_published
from waypost.store.store import Tx

_ID = re.compile(r"[A-Za-z0-9_-]+")
_STRANGE = re.compile(r"[^A-Za-z0-9_-]")


_Answer = Callable[[Sequence[Params]], Params]


class _Draft(NamedTuple):
    """A message that has passed every check but that of its size."""

    message: str
    size: int
    """Bytes, attributes included."""
    texts: dict[str, str] | None
    subject: str | None
    attributes: messages.Attributes
    group_id: str | None
    dedup_id: str | None


def publish(tx: Tx, ctx: Context, request: Params) -> Params | Perform:
    """Publish to a topic, to a device or to a phone."""
    phone, target = request.get("PhoneNumber"), request.get("TargetArn")
    topic_arn = request.get("TopicArn")
    if sum(named is not None for named in (phone, target, topic_arn)) > 1:
        raise errors.invalid("Only one of TopicArn, TargetArn and PhoneNumber can be published to")
    if phone is not None:
        return _publish_directly(tx, ctx, request, phone=phones.publish_target(phone))
    if topic_arn is None and target is not None and not names.is_topic(target):
        return _publish_directly(tx, ctx, request, endpoint_arn=target)
    if topic_arn is None and target is None:
        raise errors.invalid("TopicArn or TargetArn", "no value for required parameter")
    parameter = "TargetArn" if topic_arn is None else "TopicArn"
    topic = addressed(tx, ctx, topic_arn if topic_arn is not None else str(target), parameter=parameter)
    draft = _check(request, topic)
    if draft.size > topic.settings.size_max:
        raise errors.invalid("Message too long")
    return _publish(tx, ctx, topic, [draft], lambda published: published[0])


def _publish_directly(tx: Tx, ctx: Context, request: Params, *, phone: str = "", endpoint_arn: str = "") -> Params:
    draft = _read(request)
    if draft.size > SIZE_MAX_DEFAULT:
        raise errors.invalid("Message too long")
    published = _published(ctx, "", draft, ctx.ids.uuid(), None)
    if phone:
        deliveries.to_phone(tx, ctx, phone, published)
    else:
        deliveries.to_endpoint(tx, ctx, endpoint_arn, published)
    return {"MessageId": published.message_id}


def _read(entry: Params) -> _Draft:
    """Read one message of a request; raises ``AwsError`` in SNS's words."""
    message: str = entry["Message"]
    given = entry.get("MessageAttributes")
    attributes = messages.read_attributes(given) if given else messages.NONE
    texts = None
    structure = entry.get("MessageStructure")
    if structure:
        if structure != "json":
            raise errors.invalid("MessageStructure")
        texts = messages.read_texts(message)
    if not message:
        raise errors.invalid("Empty message")
    subject = entry.get("Subject")
    if subject is not None:
        messages.check_subject(subject)
    return _Draft(
        message, len(message.encode()) + attributes.size, texts, subject, attributes, entry.get("MessageGroupId"),
        entry.get("MessageDeduplicationId"),
    )  # fmt: skip


def _check(entry: Params, topic: Topic) -> _Draft:
    """The same for a topic, whose kind decides about groups and duplicates."""
    _check_kind(entry, topic)
    draft = _read(entry)
    if draft.group_id is not None:
        fifo.check_id("MessageGroupId", draft.group_id)
    if draft.dedup_id is not None:
        fifo.check_id("MessageDeduplicationId", draft.dedup_id)
    elif topic.fifo:
        return draft._replace(dedup_id=fifo.content_id(draft.message.encode()))
    return draft


def _check_kind(entry: Params, topic: Topic) -> None:
    dedup_id = entry.get("MessageDeduplicationId")
    if not topic.fifo:
        if dedup_id is not None:
            raise errors.invalid(
                "MessageDeduplicationId",
                "The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            )
        return
    if entry.get("MessageGroupId") is None:
        raise errors.invalid("The MessageGroupId parameter is required for FIFO topics")
    if dedup_id is None and not topic.settings.content_based:
        raise errors.invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided"
            " explicitly"
        )


def _published(ctx: Context, topic_arn: str, draft: _Draft, message_id: str, sequence_number: str | None) -> Published:
    texts = draft.texts
    return Published(
        message_id, topic_arn, draft.message if texts is None else texts["default"], texts, draft.subject,
        draft.attributes.values, ctx.now_ms, draft.group_id, draft.dedup_id, sequence_number, ctx.trace,
    )  # fmt: skip


def _publish(tx: Tx, ctx: Context, topic: Topic, drafts: Sequence[_Draft], answer: _Answer) -> Params | Perform:
    """Publish messages; ``answer`` makes the response of what each of them got."""
    if topic.fifo:
        return answer([_publish_fifo(tx, ctx, topic, draft, ctx.ids.uuid()) for draft in drafts])
    accepted = [_published(ctx, topic.arn, draft, ctx.ids.uuid(), None) for draft in drafts]

    def deliver(tx: Tx, ctx: Context, topic: Topic) -> Params:
        for published in accepted:
            fan_out(tx, ctx, topic, published)
        return answer([{"MessageId": published.message_id} for published in accepted])

    # A call from another service's transaction cannot wait: what it publishes is signed in there.
    to_sign = [] if ctx.wire == "internal" else [one for each in accepted for one in signables(tx, ctx, topic, each)]
    if not to_sign:
        return deliver(tx, ctx, topic)
    return signing.ahead(tx, ctx, to_sign, lambda tx, later: deliver(tx, later, _seen_again(tx, topic)))


def _publish_fifo(tx: Tx, ctx: Context, topic: Topic, draft: _Draft, message_id: str) -> Params:
    """Publish in the order of the group, unless it is a duplicate: then the answer is the original's."""
    group_id, dedup_id = str(draft.group_id), str(draft.dedup_id)
    row_id = ctx.ids.row(ctx.now_ms)
    key = {"topic": topic.id, "key": fifo.dedup_key(dedup_id, group_id, per_group=topic.settings.per_group)}
    new = tx.run(
        Q.claim_dedup, message_id=message_id, sequence=row_id, now=ctx.now_ms, expires_at=ctx.now_ms + DEDUP_MS, **key
    )
    if not new:
        original = tx.one(Q.get_dedup, **key)
        assert original is not None  # noqa: S101 (it is why nothing changed)
        return {"MessageId": original[0], "SequenceNumber": fifo.sequence_number(original[1])}
    archived = topic.settings.archive_days > 0
    row = tx.one(Q.enter_group, topic=topic.id, group_id=fifo.WHOLE_TOPIC if archived else group_id, sequence=row_id)
    assert row is not None  # noqa: S101 (an upsert answers its row)
    sequence: int = row[0]
    if sequence != row_id:
        tx.run(Q.set_dedup_sequence, sequence=sequence, **key)
    published = _published(ctx, topic.arn, draft, message_id, fifo.sequence_number(sequence))
    if archived:
        # A replay may have reached the present while this waited for its turn: whom to deliver to is seen only now.
        topic = _seen_again(tx, topic)
        tx.run(
            Q.insert_archived, topic=topic.id, sequence=sequence, published_at=ctx.now_ms,
            published=write_published(published),
        )  # fmt: skip
    fan_out(tx, ctx, topic, published)
    return {"MessageId": message_id, "SequenceNumber": published.sequence_number}


def _seen_again(tx: Tx, topic: Topic) -> Topic:
    found = find(tx, topic.region, topic.account, topic.name, Q.see_topic)
    if found is None or found.id != topic.id:
        raise errors.not_found("Topic")
    return found


def publish_batch(tx: Tx, ctx: Context, request: Params) -> Params | Perform:
    """Up to ten messages, in their order."""
    entries: list[Params] = request["PublishBatchRequestEntries"]
    _check_entries(entries)
    topic = addressed(tx, ctx, request["TopicArn"])
    for entry in entries:
        _check_kind(entry, topic)
    drafts, failed = _check_each(entries, topic)
    if sum(draft.size for _, draft in drafts) > topic.settings.size_max:
        raise AwsError(
            "BatchRequestTooLongException", "The length of all the messages put together is more than the limit."
        )

    def answer(published: Sequence[Params]) -> Params:
        successful = [{"Id": entry_id, **one} for (entry_id, _), one in zip(drafts, published, strict=True)]
        return {"Successful": successful, "Failed": failed}

    return _publish(tx, ctx, topic, [draft for _, draft in drafts], answer)


def _check_each(entries: Sequence[Params], topic: Topic) -> tuple[list[tuple[str, _Draft]], list[dict[str, Any]]]:
    """The messages that can be published, and why others cannot."""
    drafts, failed = [], []
    for entry in entries:
        try:
            drafts.append((entry["Id"], _check(entry, topic)))
        except AwsError as error:
            if not _fails_alone(error):
                raise
            failed.append({
                "Id": entry["Id"], "Code": "InvalidParameter", "Message": error.message, "SenderFault": True,
            })  # fmt: skip
    return drafts, failed


def _fails_alone(error: AwsError) -> bool:
    """Attributes and structures that cannot be fail the whole batch, as recorded; what else is wrong, its entry."""
    return error.code == "InvalidParameterException" and "Message Structure" not in error.message


def _check_entries(entries: Sequence[Params]) -> None:
    """Raise ``AwsError`` where a batch as a whole cannot be: its size, and its entries' ids."""
    if not entries:
        raise AwsError("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > BATCH_MAX:
        raise AwsError(
            "TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible."
        )
    seen: set[str] = set()
    for entry in entries:
        entry_id: str = entry["Id"]
        _check_id(entry_id)
        if entry_id in seen:
            raise AwsError(
                "BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id."
            )
        seen.add(entry_id)


def _check_id(entry_id: str) -> None:
    if len(entry_id) > BATCH_ID_MAX:
        raise AwsError(
            "InvalidBatchEntryIdException", f"The Id of a batch entry in the batch request is too long: {entry_id}"
        )
    if not _ID.fullmatch(entry_id):
        strange = _STRANGE.search(entry_id)
        raise AwsError(
            "InvalidBatchEntryIdException",
            "The Id of a batch entry in the batch request contains an impermissible character:"
            f" {strange[0] if strange else ''}",
        )


OPERATIONS: dict[str, Operation] = {"Publish": publish, "PublishBatch": publish_batch}
