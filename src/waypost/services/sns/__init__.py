"""SNS: topics and their subscriptions, in front of queues, functions, web servers, mailboxes and phones."""

from waypost.service import Service

SERVICE = Service(name="sns", model="sns", operations={}, refusal_code="InvalidParameterException")
