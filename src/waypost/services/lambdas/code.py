"""The code of functions: read by environments, downloaded by clients, forgotten when nobody refers to it."""

import hmac

from waypost.service import Context, Job, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.operations.functions import Function
from waypost.services.lambdas.queries import Q
from waypost.store.store import Tx


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
    row = tx.one(Q.get_function, account=ctx.account, region=ctx.region, name=request["FunctionName"])
    if row is not None:
        function = Function(*row)
        opened = hmac.compare_digest(function.code_token.encode(), request["Token"].encode())
        if opened and function.code_sha256 == request["CodeSha256"]:
            return {"ZipFile": get_code(tx, function.code_sha256)}
    raise errors.resource_not_found()


def forget_code(tx: Tx, ctx: Context, job: Job) -> None:  # noqa: ARG001 (the shape of a job handler)
    """Delete a zip that no function refers to any more."""
    tx.one(Q.lock_code, sha256=job.payload["CodeSha256"])
    tx.send(Q.delete_unused_code, sha256=job.payload["CodeSha256"])
