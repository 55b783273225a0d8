"""Which services there are, and how they meet."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.aws.route import Router
from waypost.service import Context, JobHandler, Operation, Params, Park, Perform, Service
from waypost.store.store import Tx

INTERNAL = "waypost:"
"""Operations with this prefix are between services only: no request from outside reaches them."""


class Refusal:
    """Members of a request that Waypost does not act on, refused rather than ignored."""

    def __init__(self, code: str, members: Mapping[str, str]) -> None:
        self._code = code
        self._members = []
        for rule, why in members.items():
            path, _, value = rule.partition("=")
            self._members.append((path.split("."), path, value, why))

    def check(self, request: Params) -> None:
        """Raise the service's error for the first such member that is present with a value."""
        for names, path, value, why in self._members:
            found: Any = request
            for name in names:
                found = found.get(name) if isinstance(found, dict) else None
            if found is None or found in ({}, [], "", False):
                continue
            if value and str(found) not in value.split("|"):
                continue
            raise AwsError(self._code, f"Waypost does not support {path}{f'={found}' * bool(value)}: {why}")


Found = tuple[Operation | None, Refusal | None]


class Registry:
    """Every service of a server: finds operations for the gateway, and is the ``Calls`` of every context."""

    def __init__(self, services: Iterable[Service]) -> None:
        self.services: dict[str, Service] = {service.name: service for service in services}
        self.router = Router([service.model for service in self.services.values() if service.model])
        self._by_model = {service.model: service for service in self.services.values() if service.model}
        self._refusals = {
            (service.name, operation): Refusal(service.refusal_code, members)
            for service in self.services.values()
            for operation, members in service.refuses.items()
        }

    def find(self, model: str, operation: str) -> Found:
        """The function of a botocore model's operation, if there is one, and what it refuses."""
        service = self._by_model[model]
        return service.operations.get(operation), self._refusals.get((service.name, operation))

    def jobs(self) -> dict[str, JobHandler]:
        """Every kind of job."""
        return {kind: handler for service in self.services.values() for kind, handler in service.jobs.items()}

    def call(self, tx: Tx, ctx: Context, service: str, operation: str, request: Params) -> Params:
        """Run an operation for another service, in its transaction; see ``service.Calls``."""
        target = self.services[service]
        function = target.operations.get(operation)
        if function is None:
            raise AwsError("UnknownOperationException", f"Waypost does not have {target.model} {operation} yet.")
        if not operation.startswith(INTERNAL):
            self.router.operation(target.model, operation).check(request)
            refusal = self._refusals.get((service, operation))
            if refusal is not None:
                refusal.check(request)
        # The wait of a call between services is over before it begins: nothing waits inside a transaction.
        inner = msgspec.structs.replace(ctx, wire="internal", started_ms=0)
        result = function(tx, inner, request)
        if isinstance(result, Park | Perform):
            raise TypeError(f"{service} {operation} cannot be called inside a transaction: write a job")
        return result or {}
