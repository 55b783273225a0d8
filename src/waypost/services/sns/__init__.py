"""SNS: topics and their subscriptions, in front of queues, functions, web servers, mailboxes and phones."""

from waypost.service import Service
from waypost.services.sns import signing

SERVICE = Service(name="sns", model="sns", operations={**signing.OPERATIONS}, refusal_code="InvalidParameterException")
