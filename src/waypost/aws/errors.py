"""The two families of error: the client's (``AwsError``) and ours (anything else)."""

from typing import Any


class AwsError(Exception):
    """The client's mistake, or a state of affairs that AWS reports as an error. Rendered only by a codec.

    ``code`` is the error shape's name in the model (``QueueDoesNotExist``) or, for errors that no model lists,
    the code as the wire shows it. Where the model names a wire code and status for the shape, the codec uses those.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        *,
        query_message: str | None = None,
        sender: bool = True,
        **members: Any,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        """HTTP status; None takes the model's, else 400 for the sender's faults and 500 for the receiver's."""
        self.query_message = query_message
        """The message over the Query protocol, where AWS words it differently there."""
        self.sender = sender
        self.members = members
        """Further members of the error shape: ``Type``, ``Reason``, ``resourceName`` ..."""

    def __str__(self) -> str:
        """Code and message, for logs and for workflow causes."""
        return f"{self.code}: {self.message}"
