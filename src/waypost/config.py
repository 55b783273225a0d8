"""Every setting: flag, environment name, TOML key, default, bounds and meaning, in one place."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any


class ConfigRefused(Exception):  # noqa: N818 (a state of affairs)
    """A setting that cannot be. The message is one clear line."""


def _setting(default: Any, doc: str, *, low: int | None = None, high: int | None = None) -> Any:
    return field(default=default, metadata={"doc": doc, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of ``waypost serve``. Flags win over environment variables, those over the TOML file."""

    host: str = _setting("127.0.0.1", "Address to listen on. Only loopback addresses: authentication is not built yet.")
    port: int = _setting(4566, "Port to listen on; 0 takes a free one and prints it.", low=0, high=65_535)
    data: str = _setting(".waypost", "Folder that keeps everything: the database, function code and logs.")
    store: str = _setting(
        "",
        "Where the state is kept: postgresql://USER:PASSWORD@HOST/DATABASE, shared by any number of nodes; empty: one"
        " SQLite file in the data folder. Parts that are missing come from libpq's variables (PGHOST, PGPASSWORD ...).",
    )
    connections: int = _setting(
        4,
        "Connections of this node to PostgreSQL: transactions at the same time. Two more listen and start up.",
        low=1,
        high=100,
    )
    body_max: int = _setting(73_400_320, "Largest request body, in bytes.", low=1_048_576, high=1_073_741_824)
    body_idle_s: int = _setting(
        30, "Seconds without a byte after which a request body counts as cut off.", low=1, high=3_600
    )
    shutdown_s: int = _setting(
        10, "Seconds that running requests and functions get to finish after SIGTERM.", low=0, high=900
    )
    environments_max: int = _setting(
        100,
        "Most function environments (worker processes) at once; beyond it Invoke is throttled as AWS does.",
        low=1,
        high=10_000,
    )
    environment_idle_s: int = _setting(
        600, "Seconds after which an unused function environment is stopped.", low=1, high=86_400
    )
    function_host: str = _setting(
        "", "Host name that functions use to reach the server; empty: the address listened on."
    )
    runtimes: str = _setting(
        "", "Folder with the parts that Node.js functions need; empty: inside the Python environment."
    )
    smtp: str = _setting(
        "",
        "Where SNS's e-mail goes: smtp://, smtp+starttls:// or smtps://[USER:PASSWORD@]HOST[:PORT]; `inbox` keeps it"
        " under /_waypost/inbox instead; empty: subscriptions by e-mail are refused.",
    )
    mail_sender: str = _setting("no-reply@localhost", "The address that e-mail comes from.")
    sms_gateway: str = _setting(
        "",
        "Where SNS's text messages go: the http(s) address of a gateway, which gets the JSON of SendTextMessage;"
        " `inbox` keeps them under /_waypost/inbox instead; empty: they are refused.",
    )
    push_gateway: str = _setting(
        "",
        "Where SNS's push notifications go: the http(s) address of a gateway, which gets each platform's own request at"
        " /PLATFORM/...; `inbox` keeps them under /_waypost/inbox instead; empty: they are refused.",
    )
    sms_sandbox: int = _setting(
        0, "1: accounts are in SNS's SMS sandbox, where texts go only to verified phone numbers.", low=0, high=1
    )
    trusted_ca: str = _setting(
        "", "PEM file of certificate authorities to trust besides the system's, for https endpoints and mail servers."
    )
    cache_mb: int = _setting(16, "Memory for database pages, in MiB.", low=1, high=65_536)
    log_level: str = _setting("info", "What the server says of itself on stderr: debug, info, warning or error.")


FILE_VARIABLE = "WAYPOST_CONFIG"
"""Names the TOML file, like ``--config``; without it ``waypost.toml`` of the current folder is read if it exists."""


def environment_name(name: str) -> str:
    """The environment variable of a setting."""
    return f"WAYPOST_{name.upper()}"


def flag_name(name: str) -> str:
    """The command-line flag of a setting."""
    return f"--{name.replace('_', '-')}"


def load(flags: Mapping[str, Any], environment: Mapping[str, str] | None = None, file: str | None = None) -> Config:
    """Join flags, environment and file; raises ``ConfigRefused`` with one clear line."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    values.update(_from_file(file or environment.get(FILE_VARIABLE)))
    for item in fields(Config):
        text = environment.get(environment_name(item.name))
        if text is not None and text != "":
            values[item.name] = text
    values.update({name: value for name, value in flags.items() if value is not None})
    return Config(**{item.name: _checked(item, values[item.name]) for item in fields(Config) if item.name in values})


def _from_file(file: str | None) -> dict[str, Any]:
    path = Path(file or "waypost.toml")
    if file is None and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"cannot read the configuration file {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigRefused(f"the configuration file {path} is not TOML: {error}") from error
    known = {item.name for item in fields(Config)}
    for name in values:
        if name not in known:
            raise ConfigRefused(f"the configuration file {path} sets {name}, which is not a setting")
    return values


def _checked(item: Any, value: Any) -> Any:
    flag = flag_name(item.name)
    if isinstance(item.default, int):
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise ConfigRefused(f"{flag} must be a whole number, not {value!r}") from None
        low, high = item.metadata["low"], item.metadata["high"]
        if (low is not None and number < low) or (high is not None and number > high):
            raise ConfigRefused(f"{flag} must be between {low} and {high}, not {number}")
        return number
    if item.default is MISSING or not isinstance(value, str):
        raise ConfigRefused(f"{flag} must be text, not {value!r}")
    if item.name == "log_level" and value not in {"debug", "info", "warning", "error"}:
        raise ConfigRefused(f"{flag} must be debug, info, warning or error, not {value!r}")
    return value
