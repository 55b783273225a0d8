"""The bare HTTP floor: the server's own HTTP stack and settings, answering a constant of SQS's size.

What any server on this stack can reach at most on this machine; the figures of Waypost are given as a share of it.
"""

import sys
from typing import Any

import uvicorn
import uvloop

from waypost.server import http_config

BODY = (
    b'{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"00000000-0000-4000-8000-000000000000",'
    b'"MD5OfMessageAttributes":"d41d8cd98f00b204e9800998ecf8427e"}'
)
HEADERS = [
    (b"content-type", b"application/x-amz-json-1.0"),
    (b"x-amzn-requestid", b"00000000-0000-4000-8000-000000000000"),
    (b"content-length", str(len(BODY)).encode()),
]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the whole request, answer the constant."""
    if scope["type"] != "http":
        raise RuntimeError(f"unexpected {scope['type']} connection")
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    config = http_config(app, grace_s=1)
    config.host, config.port = "127.0.0.1", int(sys.argv[1])
    uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
