"""The composition root: config > store > services > gateway > app. The only module that knows all others."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import uvicorn

from waypost import __version__
from waypost.admin import Admin
from waypost.aws.errors import AwsError
from waypost.clock import Clock, SystemClock, monotonic_ns
from waypost.config import Config, ConfigRefused, flag_name
from waypost.gateway import Gateway
from waypost.ids import Ids, RandomIds
from waypost.registry import Registry
from waypost.runtimes.environments import Runtimes
from waypost.runtimes.install import default_folder
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionThrottled, KeepWarm, RuntimeMissing
from waypost.runtimes.logs import FunctionLogs, Line, Stream
from waypost.service import Context, Params, Service
from waypost.services import iam, lambdas, logs, sns, sqs, states, sts
from waypost.services.lambdas.code import get_code
from waypost.services.sts.sessions import resolve
from waypost.store.migrate import newest_schema
from waypost.store.opening import is_shared, open_store
from waypost.store.sqlite import DataFolder, SqliteStore
from waypost.store.store import StoreRefused, StoreUnavailable, Tx
from waypost.work import nodes
from waypost.work.engine import Engine
from waypost.work.floor import Floor
from waypost.work.mail import parse_mail_server
from waypost.work.nodes import Node, Nodes
from waypost.work.perform import Outside
from waypost.work.runner import Runner, release

if TYPE_CHECKING:
    from waypost.store.postgres import PostgresStore

log = logging.getLogger(__name__)

SERVICES: tuple[Service, ...] = (
    iam.SERVICE, lambdas.SERVICE, logs.SERVICE, sns.SERVICE, sqs.SERVICE, states.SERVICE, sts.SERVICE,
)  # fmt: skip
LOCAL = "local"
"""The owner of leases on the embedded store: one server at a time holds the folder."""
INBOX = "inbox"
"""The address of a gateway that only keeps what it is given."""
GC_THRESHOLD = 20_000
"""New objects between two looks of the cycle collector: requests make few cycles and many objects."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Server:
    """One node: built from a Config, run until told to stop."""

    def __init__(self, config: Config, *, clock: Clock | None = None, ids: Ids | None = None) -> None:
        """Take the data folder, open the store and put the parts together. Raises ``StoreRefused``."""
        self.config = config
        self.clock = clock or SystemClock()
        self.outside = _outside(config, self.clock)
        self.ids = ids or RandomIds()
        self.folder = DataFolder(config.data)
        # A name for this start: what an earlier one of this machine left behind is a dead node's.
        self.node = f"{socket.gethostname()}-{self.ids.token(4)}" if is_shared(config.store) else LOCAL
        try:
            self.store = open_store(
                config.store, self.folder.database, node=self.node, cache_mb=config.cache_mb,
                connections_max=config.connections,
            )  # fmt: skip
        except StoreRefused:
            self.folder.release()
            raise
        self.logs = FunctionLogs(self.clock, self._keep_lines)
        self.runtimes = Runtimes(
            folder=self.folder.path,
            code=_Code(self),
            clock=self.clock,
            ids=self.ids,
            environments_max=config.environments_max,
            idle_s=config.environment_idle_s,
            runtimes_dir=Path(config.runtimes) if config.runtimes else default_folder(),
            log=self.logs,
        )
        self.registry = Registry([*SERVICES, self._host(), _channels(config)])
        self.engine = Engine(
            self.store, self.clock, self.ids, self.registry,
            {FunctionCall: self._invoke, KeepWarm: self._keep, **self.outside.performers},
        )  # fmt: skip
        floor = None if isinstance(self.store, SqliteStore) else Floor()
        self.runner = Runner(self.engine, self.registry.jobs(), self.node, floor)
        self.admin = Admin(self.registry, self.engine, self._status, self._reset, self._trouble)
        self.gateway = Gateway(
            self.registry, self.engine, self.admin, resolve, body_max=config.body_max, body_idle_s=config.body_idle_s
        )
        self.nodes: Nodes | None = None
        """Who else shares the store; None on the embedded one."""
        self._background: list[asyncio.Task[Any]] = []
        self._stop_by_ns: int | None = None

    def _host(self) -> Service:
        """What services may ask about this host, as a service of its own without a wire model."""

        def missing(_tx: Tx, _ctx: Context, request: Params) -> Params:
            reason = self.runtimes.missing(request["Runtime"])
            return {} if reason is None else {"Reason": reason}

        def retire(_tx: Tx, _ctx: Context, request: Params) -> Params:
            self.runtimes.retire(request["FunctionArn"], request.get("Version"))
            return {}

        def kept(_tx: Tx, _ctx: Context, request: Params) -> Params:
            count, ready, failure = self.runtimes.kept(request["FunctionArn"], request["Version"])
            wanted = max(count, self.engine.share(request["Requested"]))
            return {"Missing": wanted - ready, "Failure": failure}

        def let_go(_tx: Tx, _ctx: Context, request: Params) -> Params:
            self.runtimes.let_go(request["FunctionArn"], request["Version"])
            return {}

        return Service("runtimes", "", {
            "waypost:Missing": missing, "waypost:Retire": retire, "waypost:Kept": kept, "waypost:LetGo": let_go,
        })  # fmt: skip

    async def _invoke(self, call: FunctionCall) -> FunctionOutcome | FunctionThrottled | RuntimeMissing:
        # Functions reach the server where it listens, whatever name the caller used for it.
        share = self.engine.share
        call = msgspec.structs.replace(
            call, endpoint_url=self.engine.base_url,
            reserved=None if call.reserved is None else share(call.reserved),
            unreserved=None if call.unreserved is None else share(call.unreserved),
        )  # fmt: skip
        try:
            return await self.runtimes.invoke(call)
        except (FunctionThrottled, RuntimeMissing) as refused:
            return refused

    async def _keep_lines(self, lines: Mapping[Stream, list[Line]]) -> None:
        """Write what functions wrote into their log groups, each line with its end."""

        def keep(tx: Tx) -> None:
            for stream, written in lines.items():
                request = {
                    "logGroupName": stream.group, "logStreamName": stream.name,
                    "logEvents": [(at_ms, f"{text}\n") for at_ms, text in written],
                }  # fmt: skip
                ctx = self.engine.context(stream.account, stream.region)
                try:
                    self.registry.call(tx, ctx, "logs", "waypost:Append", request)
                except AwsError as error:
                    log.warning("%d lines for the log group %s are lost: %s", len(written), stream.group, error)

        await self.store.transact(keep)

    async def _keep(self, wanted: KeepWarm) -> None:
        call = msgspec.structs.replace(wanted.call, endpoint_url=self.engine.base_url)
        await self.runtimes.keep(call, wanted.count)

    # --- life

    async def start(self, host: str, port: int) -> None:
        """Begin background work. The address is where functions and clients find this server."""
        name = self.config.function_host or (f"[{host}]" if ":" in host else host)
        self.engine.base_url = f"http://{name}:{port}"
        if isinstance(self.store, SqliteStore):
            now_ms = self.clock.now_ms()
            released = await self.store.transact(lambda tx: release(tx, LOCAL, now_ms))
            if released:
                log.info("taking up %d jobs that were under way when the server last stopped", released)
        else:
            await self._join(self.store)
        self._begins = self._spawn(self.runner.run(), "job runner")
        self._background = [
            self._spawn(service.background(self.engine), f"background work of {service.name}")
            for service in SERVICES
            if service.background is not None
        ]

    async def _join(self, store: "PostgresStore") -> None:
        """Take a place among the nodes that share the store, and its time."""
        if not isinstance(self.clock, SystemClock):
            raise TypeError("nodes that share a store have the database's clock")
        me = Node(self.node, self.engine.base_url, __version__, newest_schema())
        self.nodes = Nodes(store, self.clock, store.neighbours, me, self._moved)
        try:
            await self.nodes.join()
        except StoreUnavailable as error:
            raise StoreRefused(f"cannot join the other nodes: {error}") from error
        self._beats = self._spawn(self.nodes.run(), "signs of life")

    def _moved(self, position: int, nodes: int) -> None:
        self.engine.place = (position, nodes)

    def _spawn(self, work: Any, name: str) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: _report(done, name))
        return task

    def leave(self) -> None:
        """The server is to stop: long polls answer with what they have, and the time that the rest gets begins."""
        self.engine.stop()
        if self._stop_by_ns is None:
            self._stop_by_ns = monotonic_ns() + self.config.shutdown_s * 1_000_000_000

    def _grace_s(self) -> float:
        """What is left of ``shutdown_s``: one allowance for everything, however many waits there are."""
        return 0 if self._stop_by_ns is None else max(0, self._stop_by_ns - monotonic_ns()) / 1e9

    async def stop(self) -> None:
        """Let what is running finish, within bounds; then close clean."""
        self.leave()
        self._begins.cancel()
        if self._background:
            # Queue pollers end by themselves once their batches are settled: nothing is delivered twice for a restart.
            await asyncio.wait(self._background, timeout=self._grace_s())
        for task in self._background:
            task.cancel()
        await asyncio.gather(self._begins, *self._background, return_exceptions=True)
        await self.runner.close(self._grace_s())
        await self.runtimes.close(self._grace_s())
        await self.outside.close()
        await self.logs.close()
        if self.nodes is not None:
            self._beats.cancel()
            await self.nodes.leave()
        await self.store.close()
        self.folder.release()

    # --- pages

    def _trouble(self) -> str | None:
        """Why a load balancer should pass this node over."""
        return "the database does not answer" if self.nodes is not None and self.nodes.cut_off else None

    async def _status(self) -> Mapping[str, Any]:
        now_ms = self.clock.now_ms()
        leases, backlog = await self.store.transact(lambda tx: (nodes.leases(tx), nodes.backlog(tx, now_ms)))
        return {
            "version": __version__,
            "process": os.getpid(),
            "address": self.engine.base_url,
            "node": self.node,
            "store": self.store.describe(),
            "nodes": self._nodes(leases, now_ms),
            "leases": leases,
            "backlog": backlog,
            "requests": self.gateway.requests,
            "parked": self.engine.parked,
            "performing": self.runner.performing,
            "functions": {"environments": self.runtimes.environments, "busy": self.runtimes.busy},
        }

    def _nodes(self, leases: Mapping[str, int], now_ms: int) -> list[Mapping[str, Any]]:
        if self.nodes is None:
            held = leases.get(self.node, 0)
            return [{"id": self.node, "address": self.engine.base_url, "version": __version__, "leases": held}]
        return [
            {
                "id": node.id, "address": node.address, "version": node.version, "leases": leases.get(node.id, 0),
                "up_s": max(0, now_ms - node.started_ms) // 1_000, "seen_ms_ago": max(0, now_ms - node.seen_ms),
            }
            for node in self.nodes.known
        ]  # fmt: skip

    async def _reset(self) -> Mapping[str, Any]:
        """Forget everything: every table but the schema's own, and every function environment."""
        await self.store.transact(self.store.empty)
        self.runtimes.retire_all()
        self.store.wakes.wake_all()
        return {"status": "empty"}


def _outside(config: Config, clock: Clock) -> Outside:
    """What speaks HTTP and SMTP; raises ``ConfigRefused``."""
    for name in ("sms_gateway", "push_gateway"):
        address = getattr(config, name)
        if address not in ("", INBOX) and not address.startswith(("http://", "https://")):
            raise ConfigRefused(f"{flag_name(name)} must be empty, {INBOX}, or an http or https address")
    if config.mail_sender.count("@") != 1 or not all(config.mail_sender.split("@")):
        raise ConfigRefused(f"{flag_name('mail_sender')} must be a mail address, not {config.mail_sender!r}")
    try:
        mail = None if config.smtp in ("", INBOX) else parse_mail_server(config.smtp)
        return Outside(clock, mail=mail, trusted_ca=config.trusted_ca)
    except ValueError as error:
        raise ConfigRefused(f"{flag_name('smtp')}: {error}") from error
    except OSError as error:
        raise ConfigRefused(f"{flag_name('trusted_ca')}: cannot read {config.trusted_ca}: {error}") from error


def _channels(config: Config) -> Service:
    """Where services deliver to, as a service of its own without a wire model."""
    told = {
        "email": INBOX if config.smtp == INBOX else "smtp" * bool(config.smtp), "sms": config.sms_gateway,
        "application": config.push_gateway, "sender": config.mail_sender, "sandbox": bool(config.sms_sandbox),
    }  # fmt: skip
    return Service("outside", "", {"waypost:Channels": lambda _tx, _ctx, _request: told})


class _Code:
    """Where the runtimes find a function's zip."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def zip_of(self, code_sha256: str) -> bytes:
        """The zip of that digest."""
        return await self._server.store.transact(lambda tx: get_code(tx, code_sha256))


def _report(task: asyncio.Task[Any], name: str) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("%s ended by a fault of ours; the server stops", name, exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


class _Http(uvicorn.Server):
    """uvicorn without its own ideas about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to ``serve``: uvicorn would raise them anew after a clean end."""
        yield


def http_config(app: Any, *, grace_s: int, log_level: str = "warning") -> uvicorn.Config:
    """The HTTP stack, the same for the server and for the benchmark's floor."""
    return uvicorn.Config(
        app, loop="none", http="httptools", ws="none", lifespan="off", access_log=False, server_header=False,
        proxy_headers=False,
        log_config=None, log_level=log_level, timeout_graceful_shutdown=grace_s, timeout_keep_alive=75, backlog=1024,
    )  # fmt: skip


def bind(host: str, port: int) -> socket.socket:
    """Listen; raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def serve(config: Config, listener: socket.socket, announce: Callable[[str], None]) -> int:
    """Run a server on an open listener until a signal; answers the exit code. Raises ``StoreRefused``."""
    server = Server(config)
    fatal: list[BaseException] = []
    host, port = listener.getsockname()[:2]
    http = _Http(http_config(server.gateway, grace_s=config.shutdown_s))

    def leave() -> None:
        server.leave()
        http.force_exit = http.should_exit  # asked twice: at once
        http.should_exit = True

    def die(error: BaseException) -> None:
        fatal.append(error)
        leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    server.store.on_fatal = die
    await server.start(host, port)
    # What start-up made lives as long as the process: the collector need not walk it again and again.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    gc.enable()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    shared = f"state in {server.store.describe()['address']}, " if server.nodes is not None else ""
    announce(f"waypost {__version__} ready on http://{address}, {shared}data in {server.folder.path}")
    await http.serve(sockets=[listener])
    await server.stop()
    return 1 if fatal else 0
