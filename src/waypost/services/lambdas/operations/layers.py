"""Layers: zips that functions have under /opt, published once and used by many."""

import hashlib
from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.code import forget_later, store_code
from waypost.services.lambdas.function import digest, timestamp
from waypost.services.lambdas.limits import LAYERS_PAGE_MAX, POLICY_BYTES_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import archive, layers, markers
from waypost.services.lambdas.rules.layers import LayerName
from waypost.store.queries import Query
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str]).decode
_decode_policy = msgspec.json.Decoder(list[dict[str, Any]]).decode

_NEWEST = (1 << 31) - 1


class LayerVersion(NamedTuple):
    """A row of ``lambda_layer_version``, and the layer that it belongs to."""

    layer_id: int
    account: str
    region: str
    name: str
    version: int
    code_sha256: str
    code_size: int
    unzipped_size: int
    code_token: str
    description: str
    license: str
    runtimes: str
    architectures: str
    created: int
    policy_revision: str
    statements: str

    @property
    def named(self) -> LayerName:
        """Its name."""
        return LayerName(self.account, self.region, self.name, self.version)


def publish_layer_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keep a zip as the next version of a layer."""
    named = _own(ctx, request)
    content = request["Content"].get("ZipFile")
    if content is None:
        raise errors.invalid("Please provide a source for layer content.")
    content = bytes(content)
    unzipped = archive.check(content)
    numbered = tx.one(
        Q.next_layer_version, id=ctx.ids.row(ctx.now_ms), account=named.account, region=named.region, name=named.name
    )
    if numbered is None:
        raise RuntimeError("a counter answered nothing")
    made = LayerVersion(
        numbered[0], named.account, named.region, named.name, numbered[1], hashlib.sha256(content).hexdigest(),
        len(content), unzipped, ctx.ids.token(16), request.get("Description") or "", request.get("LicenseInfo") or "",
        _encode(request.get("CompatibleRuntimes") or []).decode(),
        _encode(request.get("CompatibleArchitectures") or []).decode(), ctx.now_ms, "", "[]",
    )  # fmt: skip
    store_code(tx, made.code_sha256, content)
    without = {"account", "region", "name", "policy_revision", "statements"}
    columns = {name: value for name, value in made._asdict().items() if name not in without}
    tx.send(Q.insert_layer_version, **columns)
    return _describe_with_content(ctx, made)


def get_layer_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """One version, with a link from which its zip can be downloaded."""
    return _describe_with_content(ctx, _find(tx, ctx, _numbered(ctx, request)))


def get_layer_version_by_arn(tx: Tx, ctx: Context, request: Params) -> Params:
    """The same, by ARN."""
    named = layers.read_version_arn(request["Arn"])
    if named is None or named.region != ctx.region:
        raise errors.resource_not_found()
    return _describe_with_content(ctx, _find(tx, ctx, named))


def list_layers(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of layers, each with its newest version that fits the filters; those without one are left out."""
    limit = min(request.get("MaxItems") or LAYERS_PAGE_MAX, LAYERS_PAGE_MAX)
    rows = tx.all(
        Q.list_layers,
        account=ctx.account,
        region=ctx.region,
        after=markers.read(request.get("Marker")),
        limit=limit + 1,
    )
    found = []
    for layer_id, name in rows[:limit]:
        named = LayerName(ctx.account, ctx.region, name)
        newest = _fitting(tx, layer_id, request, _NEWEST, 1)
        if newest:
            latest = _describe(newest[0])
            found.append({"LayerName": name, "LayerArn": named.arn, "LatestMatchingVersion": latest})
    answer: Params = {"Layers": found}
    if len(rows) > limit:
        answer["NextMarker"] = markers.write(rows[limit - 1][1])
    return answer


def list_layer_versions(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of versions that fit the filters, the newest first."""
    limit = min(request.get("MaxItems") or LAYERS_PAGE_MAX, LAYERS_PAGE_MAX)
    marker = markers.read(request.get("Marker"))
    before = int(marker) if marker.isdecimal() and len(marker) <= 9 else _NEWEST
    named = _own(ctx, request)
    layer = tx.one(Q.find_layer, account=named.account, region=named.region, name=named.name)
    found = [] if layer is None else _fitting(tx, layer[0], request, before, limit + 1)
    answer: Params = {"LayerVersions": [_describe(version) for version in found[:limit]]}
    if len(found) > limit:
        answer["NextMarker"] = markers.write(str(found[limit - 1].version))
    return answer


def delete_layer_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete it; functions that have it keep it, as on AWS. One that is not there is no error."""
    named = _numbered(ctx, request)
    _check_own(ctx, named)
    row = tx.one(Q.lock_layer_version, **_key(named))
    if row is not None:
        found = LayerVersion(*row)
        tx.send(Q.delete_layer_version, layer_id=found.layer_id, version=found.version)
        forget_later(tx, ctx, found.code_sha256)
    return {}


def add_layer_version_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let another account use it."""
    found, statements = _lock_policy(tx, ctx, request)
    _check_revision(request, found)
    if any(known["Sid"] == request["StatementId"] for known in statements):
        raise errors.conflict(
            f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement."
        )
    added = layers.statement(request, found.named.version_arn)
    document = _document([*statements, added])
    if len(document) > POLICY_BYTES_MAX:
        raise errors.policy_too_long(len(document), POLICY_BYTES_MAX)
    return {"Statement": _encode(added).decode(), "RevisionId": _write(tx, ctx, found, [*statements, added])}


def get_layer_version_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """The policy and its revision."""
    named = _numbered(ctx, request)
    _check_own(ctx, named)
    found = _find(tx, ctx, named)
    statements = _decode_policy(found.statements)
    if not statements:
        raise errors.resource_not_found("No policy is associated with the given resource.")
    return {"Policy": _document(statements).decode(), "RevisionId": found.policy_revision}


def remove_layer_version_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take a statement back."""
    found, statements = _lock_policy(tx, ctx, request)
    kept = [known for known in statements if known["Sid"] != request["StatementId"]]
    if len(kept) == len(statements):
        raise errors.resource_not_found(f"Statement {request['StatementId']} is not found in resource policy.")
    _check_revision(request, found)
    _write(tx, ctx, found, kept)
    return {}


def usable(tx: Tx, ctx: Context, wanted: list[str]) -> list[LayerVersion]:
    """The layers that a function's configuration names; raises for those that it may not have."""
    found = []
    for named in layers.check_list(wanted, ctx.region):
        row = tx.one(Q.get_layer_version, **_key(named))
        if row is None:
            raise errors.invalid(f"Layer version {named.version_arn} does not exist.")
        found.append(LayerVersion(*row))
        _check_allowed(ctx, found[-1])
    return found


def _own(ctx: Context, request: Params) -> LayerName:
    named = layers.read_name(request["LayerName"], ctx.account, ctx.region)
    _check_own(ctx, named)
    return named


def _numbered(ctx: Context, request: Params) -> LayerName:
    number = request["VersionNumber"]
    if number < 1:
        raise errors.invalid("Layer Version Cannot be less than 1.")
    named = layers.read_name(request["LayerName"], ctx.account, ctx.region)
    return named._replace(version=min(number, _NEWEST - 1))


def _check_own(ctx: Context, named: LayerName) -> None:
    if named.account != ctx.account:
        raise errors.access_denied(f"{named.arn} belongs to another account, and only that one may change it.")


def _key(named: LayerName) -> dict[str, Any]:
    return {"account": named.account, "region": named.region, "name": named.name, "version": named.version}


def _find(tx: Tx, ctx: Context, named: LayerName, query: Query = Q.get_layer_version) -> LayerVersion:
    row = tx.one(query, **_key(named))
    if row is None:
        raise errors.resource_not_found()
    found = LayerVersion(*row)
    _check_allowed(ctx, found)
    return found


def _check_allowed(ctx: Context, found: LayerVersion) -> None:
    if found.account != ctx.account and not layers.allows(_decode_policy(found.statements), ctx.account):
        raise errors.access_denied(
            f"User: {ctx.caller.arn} is not authorized to perform: lambda:GetLayerVersion on resource: "
            f"{found.named.version_arn} because no resource-based policy allows the lambda:GetLayerVersion action"
        )


def _lock_policy(tx: Tx, ctx: Context, request: Params) -> tuple[LayerVersion, list[dict[str, Any]]]:
    named = _numbered(ctx, request)
    _check_own(ctx, named)
    row = tx.one(Q.lock_layer_version, **_key(named))
    if row is None:
        raise errors.resource_not_found(f"Layer version {named.version_arn} does not exist.")
    found = LayerVersion(*row)
    return found, _decode_policy(found.statements)


def _check_revision(request: Params, found: LayerVersion) -> None:
    if request.get("RevisionId") not in (None, "", found.policy_revision):
        raise errors.precondition_failed("GetLayerPolicy")


def _write(tx: Tx, ctx: Context, found: LayerVersion, statements: list[dict[str, Any]]) -> str:
    revision = ctx.ids.uuid()
    tx.send(
        Q.put_layer_policy, layer_id=found.layer_id, version=found.version, revision=revision,
        statements=_encode(statements).decode(),
    )  # fmt: skip
    return revision


def _document(statements: list[dict[str, Any]]) -> bytes:
    return _encode({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def _fitting(tx: Tx, layer_id: int, request: Params, before: int, wanted: int) -> list[LayerVersion]:
    """The newest versions below a number that fit the request's filters, as many as wanted."""
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    found: list[LayerVersion] = []
    while len(found) < wanted:
        rows = tx.all(Q.list_layer_versions, layer_id=layer_id, before=before, limit=LAYERS_PAGE_MAX)
        page = [LayerVersion(*row) for row in rows]
        found += [
            version
            for version in page
            if (not runtime or runtime in _decode(version.runtimes))
            and (not architecture or architecture in _decode(version.architectures))
        ]
        if len(page) < LAYERS_PAGE_MAX:
            break
        before = page[-1].version
    return found[:wanted]


def _describe(version: LayerVersion) -> Params:
    answer: Params = {
        "LayerVersionArn": version.named.version_arn,
        "Version": version.version,
        "Description": version.description,
        "CreatedDate": timestamp(version.created),
    }
    for member, text in (
        ("CompatibleRuntimes", version.runtimes), ("CompatibleArchitectures", version.architectures)
    ):  # fmt: skip
        if text != "[]":
            answer[member] = _decode(text)
    return answer | {"LicenseInfo": version.license} if version.license else answer


def _describe_with_content(ctx: Context, version: LayerVersion) -> Params:
    path = f"{version.account}/{version.region}/layer:{version.name}/{version.code_sha256}"
    content = {
        "Location": f"{ctx.base_url}/_waypost/code/{path}?token={version.code_token}",
        "CodeSha256": digest(version.code_sha256),
        "CodeSize": version.code_size,
    }
    return {"Content": content, "LayerArn": version.named.arn, **_describe(version)}
