"""The code of functions: read by environments, downloaded by clients, forgotten when nobody refers to it."""

import hmac

from waypost.service import Context, Job, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import latest
from waypost.services.lambdas.queries import Q
from waypost.store.store import Tx
from waypost.work import jobs

LAYER = "layer:"
"""Begins the name in a link to a layer's zip, where that of a function's has the function's name."""
FORGET_CODE = "lambda.forget_code"
FORGET_CODE_AFTER_MS = 3_600_000
"""An invocation that began before an update may still start an environment of the old code."""


def store_code(tx: Tx, sha256: str, content: bytes) -> None:
    """Keep a zip under its digest (hex)."""
    tx.send(Q.insert_code, sha256=sha256, zip=content)


def forget_later(tx: Tx, ctx: Context, sha256: str) -> None:
    """Promise to look, after a while, whether anybody still refers to a zip."""
    jobs.enqueue(
        tx, ctx, kind=FORGET_CODE, key=f"lambda:code:{sha256}", run_at_ms=ctx.now_ms + FORGET_CODE_AFTER_MS,
        payload={"CodeSha256": sha256},
    )  # fmt: skip


def get_code(tx: Tx, code_sha256: str) -> bytes:
    """The zip of a digest (hex), for an environment that starts. Raises ResourceNotFoundException."""
    row = tx.one(Q.get_code, sha256=code_sha256)
    if row is None:
        raise errors.resource_not_found(f"There is no code {code_sha256}")
    return bytes(row[0])


def download_code(tx: Tx, ctx: Context, request: Params) -> Params:
    """``{"FunctionName", "CodeSha256", "Token"}`` to ``{"ZipFile": bytes}``: what GetFunction's link answers.

    Account and region of the context are those of the link. Raises ResourceNotFoundException for every mismatch.
    """
    whose = {"account": ctx.account, "region": ctx.region, "name": request["FunctionName"]}
    if request["FunctionName"].startswith(LAYER):
        return _download_layer(tx, ctx, request)
    row = tx.one(Q.get_function, **whose)
    if row is not None:
        function, sha256 = latest(row), request["CodeSha256"]
        opened = hmac.compare_digest(function.code_token.encode(), request["Token"].encode())
        has = function.code_sha256 == sha256 or tx.one(Q.version_of_code, sha256=sha256, **whose) is not None
        if opened and has:
            return {"ZipFile": get_code(tx, sha256)}
    raise errors.resource_not_found()


def _download_layer(tx: Tx, ctx: Context, request: Params) -> Params:
    name = request["FunctionName"].removeprefix(LAYER)
    tokens = tx.all(Q.layer_tokens, account=ctx.account, region=ctx.region, name=name, sha256=request["CodeSha256"])
    if any(hmac.compare_digest(row[0].encode(), request["Token"].encode()) for row in tokens):
        return {"ZipFile": get_code(tx, request["CodeSha256"])}
    raise errors.resource_not_found()


def forget_code(tx: Tx, ctx: Context, job: Job) -> None:  # noqa: ARG001 (the shape of a job handler)
    """Delete a zip that no function refers to any more."""
    tx.one(Q.lock_code, sha256=job.payload["CodeSha256"])
    tx.send(Q.delete_unused_code, sha256=job.payload["CodeSha256"])
