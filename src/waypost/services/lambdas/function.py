"""A function as it is stored, in any of its versions, and as AWS shows it."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.store.queries import Query
from waypost.store.store import Row, Tx

_decode = msgspec.json.Decoder(dict[str, str]).decode
_decode_layers = msgspec.json.Decoder(list[tuple[str, int, str, int]]).decode


class Function(NamedTuple):
    """A row of ``lambda_function``, or of ``lambda_version`` with what belongs to all versions together."""

    id: int
    name: str
    revision: str
    runtime: str
    role: str
    handler: str
    description: str
    timeout_s: int
    memory_mb: int
    ephemeral_mb: int
    environment: str
    architecture: str
    log_group: str
    code_sha256: str
    code_size: int
    code_token: str
    modified: int
    tags: str
    layers: str
    dead_letter: str
    reserved: int | None
    function_id: int
    version: str

    @property
    def layer_list(self) -> list[tuple[str, int, str, int]]:
        """ARN, bytes, digest (hex) and bytes unpacked of each layer, in the order of the configuration."""
        return _decode_layers(self.layers)


class Alias(NamedTuple):
    """A row of ``lambda_alias``."""

    function_id: int
    name: str
    version: str
    other: str
    """The second version; empty where there is none."""
    weight: str
    """The part of the requests that goes to it."""
    description: str
    revision: str

    def choose(self, fraction: float) -> str:
        """The version for a request that drew ``fraction`` of [0, 1)."""
        return self.other if self.other and fraction < float(self.weight) else self.version


def find(tx: Tx, ctx: Context, request: Params) -> tuple[names.Named, Function]:
    """What ``FunctionName`` and ``Qualifier`` name: $LATEST, a version, or the (first) version of an alias.

    Raises ResourceNotFoundException.
    """
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    function = get(tx, named)
    if function is None:
        raise errors.function_not_found(named.arn)
    return named, function


def get(tx: Tx, named: names.Named) -> Function | None:
    """The same, where the name is read already; None where it does not exist."""
    version = named.qualifier
    if names.is_alias(version):
        alias = find_alias(tx, named)
        if alias is None:
            return None
        version = alias.version
    if version in ("", names.LATEST):
        row = tx.one(Q.get_function, account=named.account, region=named.region, name=named.name)
        return None if row is None else latest(row)
    row = tx.one(
        Q.get_version, account=named.account, region=named.region, name=named.name, version=names.number(version)
    )
    return None if row is None else of_version(row)


def find_alias(tx: Tx, named: names.Named) -> Alias | None:
    """The alias that a name's qualifier is, if there is one."""
    row = tx.one(Q.find_alias, account=named.account, region=named.region, name=named.name, alias=named.qualifier)
    return None if row is None else Alias(*row)


def latest(row: Row) -> Function:
    """From a row of ``get_function`` and its like."""
    return Function._make((*row, row[0], names.LATEST))


def of_version(row: Row) -> Function:
    """From a row of ``get_version`` and its like, whose last column is the number."""
    return Function._make((*row[:-1], str(row[-1])))


def lock(tx: Tx, ctx: Context, request: Params, query: Query = Q.lock_function) -> tuple[names.Named, Function]:
    """The function itself, for who changes anything of it. Raises ResourceNotFoundException.

    A qualifier may be there: it names a version or alias that the caller looks at. With ``Q.get_function`` for who only
    reads.
    """
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    row = tx.one(query, account=named.account, region=named.region, name=named.name)
    if row is None:
        raise errors.function_not_found(named.arn)
    return named, latest(row)


def lock_latest(tx: Tx, ctx: Context, request: Params) -> Function:
    """The same, for operations that know no other version than $LATEST."""
    named, function = lock(tx, ctx, request)
    if named.qualifier not in ("", names.LATEST):
        raise errors.function_not_found(named.arn)
    return function


def exists(tx: Tx, named: names.Named) -> bool:
    """Whether there is such a version or alias (or function, without a qualifier)."""
    return get(tx, named) is not None


def describe(ctx: Context, function: Function, qualifier: str = "") -> Params:
    """A function's configuration as AWS shows it."""
    text = names.function_arn(ctx.account, ctx.region, function.name)
    runtime_version = hashlib.sha256(function.runtime.encode()).hexdigest()
    answer: Params = {
        "FunctionName": function.name,
        "FunctionArn": names.qualified(text, qualifier),
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "LastModified": timestamp(function.modified),
        "CodeSha256": digest(function.code_sha256),
        "Version": function.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": f"arn:aws:lambda:{ctx.region}::runtime:{runtime_version}"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group},
    }
    variables = _decode(function.environment)
    if variables:
        answer["Environment"] = {"Variables": variables}
    if function.dead_letter:
        answer["DeadLetterConfig"] = {"TargetArn": function.dead_letter}
    if function.layer_list:
        answer["Layers"] = [{"Arn": arn, "CodeSize": size} for arn, size, _, _ in function.layer_list]
    return answer


def listed(ctx: Context, function: Function, qualifier: str) -> Params:
    """The same in a list: AWS has the state read from the function itself."""
    answer = describe(ctx, function, qualifier)
    del answer["State"], answer["LastUpdateStatus"]
    return answer


def digest(sha256: str) -> str:
    """A hexadecimal digest as Lambda writes it, in base 64."""
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def timestamp(at_ms: int) -> str:
    """An instant as Lambda writes it: ``2026-11-21T06:30:00.123+0000``."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}+0000"
