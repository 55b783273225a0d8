"""What the three batch operations have in common."""

import re
from collections.abc import Callable

from waypost.aws.errors import AwsError
from waypost.service import Params
from waypost.services.sqs import errors
from waypost.services.sqs.limits import BATCH_MAX

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_entries(kind: str, entries: list[Params], *required: str) -> None:
    """Raise ``AwsError`` where a batch as a whole cannot be: its size, its entries' ids, what an entry must have.

    Errors name a member of an entry as the Query protocol writes it, over JSON too.
    """
    if not entries:
        raise AwsError("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > BATCH_MAX:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {BATCH_MAX}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        entry_id = entry.get("Id")
        if entry_id is None:
            raise errors.missing(f"{kind}.{number}.Id")
        if not _ID.fullmatch(entry_id):
            raise AwsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most"
                " 80 letters long.",
            )
        if entry_id in seen:
            raise AwsError("BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")
        seen.add(entry_id)
    for number, entry in enumerate(entries, 1):
        for name in required:
            if entry.get(name) in (None, ""):
                raise errors.missing(f"{kind}.{number}.{name}")


def each(entries: list[Params], act: Callable[[Params], object]) -> Params:
    """Act on every entry; one that raises ``AwsError`` fails alone."""
    successful, failed = [], []
    for entry in entries:
        try:
            act(entry)
        except AwsError as error:
            failed.append(errors.failed_entry(entry["Id"], error))
        else:
            successful.append({"Id": entry["Id"]})
    answer: Params = {}
    if successful:
        answer["Successful"] = successful
    if failed:
        answer["Failed"] = failed
    return answer
