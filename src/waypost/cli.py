"""The command line: argument parsing only."""

import argparse
import contextlib
import gc
import json
import logging
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from waypost import __version__
from waypost.config import Config, ConfigRefused, environment_name, flag_name, load

REFUSED = 2
"""Exit code when the server cannot start as asked."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``waypost``."""
    parsed = _parser().parse_args(arguments)
    try:
        code = parsed.run(parsed)
    except ConfigRefused as refused:
        print(f"waypost: {refused}", file=sys.stderr)  # noqa: T201 (the command line speaks here)
        code = REFUSED
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="waypost", description="Queues, workflows and functions behind the AWS wire protocols."
    )
    parser.add_argument("--version", action="version", version=f"waypost {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the server until SIGTERM or Ctrl-C")
    _settings(serve, {item.name for item in fields(Config)})
    serve.set_defaults(run=_serve)
    env = commands.add_parser("env", help="print the exports that point AWS clients at the server")
    _settings(env, {"host", "port"})
    env.set_defaults(run=_env)
    status = commands.add_parser("status", help="say what the running server is doing")
    _settings(status, {"host", "port"})
    status.set_defaults(run=_status)
    reset = commands.add_parser(
        "reset", help="forget everything: the running server's state, or what a stopped one left"
    )
    _settings(reset, {"host", "port", "data", "store"})
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.set_defaults(run=_reset)
    migrate = commands.add_parser(
        "migrate", help="bring the schema of a store that nodes share up to date, and say where it stands"
    )
    _settings(migrate, {"store"})
    migrate.add_argument(
        "--post", action="store_true", help="also remove what only nodes of an older release needed; none may be alive"
    )
    migrate.set_defaults(run=_migrate)
    runtimes = commands.add_parser(
        "runtimes", help="show which function runtimes this host can run, or install their parts"
    )
    runtimes.add_argument("action", nargs="?", choices=["list", "install"], default="list")
    runtimes.add_argument("name", nargs="?", choices=["nodejs"], default="nodejs")
    _settings(runtimes, {"runtimes"})
    runtimes.set_defaults(run=_runtimes)
    return parser


def _settings(parser: argparse.ArgumentParser, names: set[str]) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file with settings (WAYPOST_CONFIG; default: waypost.toml if it exists)"
    )
    for item in fields(Config):
        if item.name in names:
            shown = item.default if item.default != "" else "none"
            parser.add_argument(
                flag_name(item.name),
                dest=item.name,
                metavar="N" if isinstance(item.default, int) else "TEXT",
                help=f"{item.metadata['doc']} ({environment_name(item.name)}; default {shown})",
            )


def _config(parsed: argparse.Namespace) -> Config:
    known = {item.name for item in fields(Config)}
    return load({name: value for name, value in vars(parsed).items() if name in known}, file=parsed.config)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (the command line speaks here)


def _fail(text: str, code: int = REFUSED) -> int:
    print(f"waypost: {text}", file=sys.stderr)  # noqa: T201
    return code


def _serve(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    logging.basicConfig(
        level=config.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # What start-up makes stays: looking for garbage in it would be a tenth of the time to ready. ``serve`` enables it.
    gc.disable()
    # Imported here: the other commands start in a fraction of the time.
    import uvloop  # noqa: PLC0415

    from waypost.server import LOOPBACK, bind, serve  # noqa: PLC0415
    from waypost.store.store import StoreRefused  # noqa: PLC0415

    if config.host not in LOOPBACK:
        return _fail(
            f"--host {config.host} is not a loopback address: without authentication Waypost serves this machine only"
        )
    try:
        listener = bind(config.host, config.port)
    except OSError as error:
        return _fail(f"cannot listen on {config.host}:{config.port}: {error.strerror}")
    with contextlib.closing(listener):
        try:
            return uvloop.run(serve(config, listener, _say))
        except StoreRefused as refused:
            return _fail(str(refused))


def _url(config: Config) -> str:
    return f"http://{config.host}:{config.port}"


def _env(parsed: argparse.Namespace) -> int:
    for name, value in (
        ("AWS_ENDPOINT_URL", _url(_config(parsed))),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        # StartSyncExecution and others would otherwise go to a host name with a prefix, which no resolver knows.
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
    ):
        _say(f"export {name}={value}")
    return 0


def _ask(config: Config, path: str, method: str) -> Any:
    request = urllib.request.Request(f"{_url(config)}/_waypost/{path}", method=method)  # noqa: S310 (always http)
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return json.load(response)


def _status(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    try:
        _say(json.dumps(_ask(config, "status", "GET"), indent=2))
    except (OSError, ValueError) as error:
        return _fail(f"no Waypost server answers on {_url(config)}: {getattr(error, 'reason', error)}", 1)
    return 0


def _reset(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from waypost.maintenance import reset  # noqa: PLC0415 (the database libraries load only for this)
    from waypost.store.store import StoreRefused, StoreUnavailable  # noqa: PLC0415

    if not parsed.yes:
        if not sys.stdin.isatty():
            return _fail("reset forgets every queue, message, function and execution; say --yes")
        kept = "the shared store" if config.store else config.data
        answer = input(f"Forget everything on {_url(config)} or in {kept}? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            return 1
    try:
        _ask(config, "reset", "POST")
    except urllib.error.HTTPError as error:
        return _fail(f"the server on {_url(config)} would not reset: {error}", 1)
    except (OSError, ValueError):
        try:
            reset(config)
        except (StoreRefused, StoreUnavailable) as refused:
            return _fail(f"no server answers on {_url(config)}, and {refused}")
    _say("empty")
    return 0


def _migrate(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from waypost.store.opening import is_shared  # noqa: PLC0415
    from waypost.store.store import StoreRefused  # noqa: PLC0415

    if not is_shared(config.store):
        return _fail("name the store that nodes share: --store postgresql://...; the embedded one is migrated at start")
    try:
        from waypost.store.schema_postgres import upgrade  # noqa: PLC0415
    except ImportError as error:
        return _fail(f"PostgreSQL needs more packages ({error}): pip install 'waypost[postgres]'")
    try:
        standing = upgrade(config.store, post=parsed.post)
    except StoreRefused as refused:
        return _fail(str(refused))
    for line in standing.lines():
        _say(line)
    return 1 if parsed.post and standing.held is not None else 0


def _runtimes(parsed: argparse.Namespace) -> int:
    config = _config(parsed)
    from waypost.runtimes import install  # noqa: PLC0415

    folder = Path(config.runtimes) if config.runtimes else install.default_folder()
    if parsed.action == "install":
        try:
            install.install_node(folder)
        except install.InstallFailed as failed:
            return _fail(str(failed), 1)
    for line in install.describe(folder):
        _say(line)
    return 0
