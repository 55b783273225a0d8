"""What leaves this database: deliveries to web servers, mailboxes, phones and devices, and what is asked of them.

The service's other parts use what is named here, in the transaction of whoever publishes or subscribes.
"""

from waypost.service import JobHandler, Operation
from waypost.services.sns import counts
from waypost.services.sns.deliveries import (
    confirmations,
    devices,
    documents,
    inbox,
    phones,
    status,
    subscribers,
)  # fmt: skip
from waypost.services.sns.deliveries.confirmations import ask_to_confirm, say_unsubscribed
from waypost.services.sns.deliveries.devices import to_endpoint
from waypost.services.sns.deliveries.phones import to_phone
from waypost.services.sns.deliveries.subscribers import begin, begin_all, check_subscriber

JOBS: dict[str, JobHandler] = {
    confirmations.CONFIRM: confirmations.confirm,
    counts.GATHER: counts.gather,
    devices.PUSH: devices.send_push,
    documents.RELEASE: documents.run_release,
    phones.TEXT: phones.send_text,
    subscribers.DELIVER: subscribers.deliver,
}
OPERATIONS: dict[str, Operation] = {**inbox.OPERATIONS, **status.OPERATIONS}
NOTES = {
    "Publish": (
        "To an endpoint or a phone number: refused unless the setting `push_gateway` or `sms_gateway` says where such "
        "messages go. Failed deliveries are tried again by AWS's phases; pauses are up to a tenth shorter by chance."
    ),
    "Subscribe": (
        "`email` and `email-json` need the setting `smtp`, `sms` needs `sms_gateway`, `application` needs "
        "`push_gateway`; without it they are refused."
    ),
}

__all__ = [
    "JOBS", "NOTES", "OPERATIONS", "ask_to_confirm", "begin", "begin_all", "check_subscriber",
    "say_unsubscribed", "to_endpoint", "to_phone",
]  # fmt: skip
