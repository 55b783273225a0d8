"""The figures of the report, their targets, and how they are written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Results = dict[str, dict[str, float]]
"""Server > figure > value."""
POSTGRES = "waypost-postgres"
SERVERS = ("waypost", POSTGRES, "ministack", "moto", "floor")


@dataclass(frozen=True)
class Row:
    """One line of the table. ``met`` answers None when a figure it needs was not measured."""

    title: str
    key: str
    unit: str
    target: str = ""
    met: Callable[[Results], bool | None] | None = None


def _under(key: str, limit: float) -> Callable[[Results], bool | None]:
    def met(results: Results) -> bool | None:
        value = results.get("waypost", {}).get(key)
        return None if value is None else value < limit

    return met


def _over(key: str, limit: float, server: str = "waypost") -> Callable[[Results], bool | None]:
    def met(results: Results) -> bool | None:
        value = results.get(server, {}).get(key)
        return None if value is None else value >= limit

    return met


def _both(key: str, limit: float) -> Callable[[Results], bool | None]:
    """What was measured of either store reaches the limit."""

    def met(results: Results) -> bool | None:
        found = [_over(key, limit, server)(results) for server in ("waypost", POSTGRES)]
        return None if found == [None, None] else False not in found

    return met


ROWS = (
    Row("start-up: spawn to healthy", "start.empty_s", "s", "< 0.5 s", _under("start.empty_s", 0.5)),
    Row("  with 1,000,000 messages stored", "start.1000000_s", "s", "< 1 s", _under("start.1000000_s", 1.0)),
    Row("idle memory", "memory.empty_mb", "MB", "< 60 MB", _under("memory.empty_mb", 60)),
    Row("  with 1,000,000 messages stored", "memory.1000000_mb", "MB", "< 60 MB", _under("memory.1000000_mb", 60)),
    Row("HTTP floor, 16 connections", "http.requests_per_s", "req/s"),
    Row("SQS send+receive+delete, 16 connections", "sqs.requests_per_s", "req/s"),
    Row("  cycles", "sqs.cycles_per_s", "/s"),
    Row("  share of the floor", "sqs.of_floor", "x", ">= 0.35", _over("sqs.of_floor", 0.35)),
    Row("  beside ministack's share", "sqs.of_ministack", "x", ">= 4", _over("sqs.of_ministack", 4)),
    Row("  cycles beside the embedded store's", "sqs.of_embedded", "x", ">= 0.25",
        _over("sqs.of_embedded", 0.25, POSTGRES)),
    Row("  p50 of a request", "sqs.p50_ms", "ms"),
    Row("  p99 of a request", "sqs.p99_ms", "ms"),
    Row("  with 50,000 waiting", "sqs_50000.requests_per_s", "req/s"),
    Row("    share of the floor, beside that of an empty queue", "sqs_50000.of_empty", "x", ">= 0.9",
        _over("sqs_50000.of_empty", 0.9)),
    Row("  with 1,000,000 waiting", "sqs_1000000.requests_per_s", "req/s"),
    Row("    beside that of an empty queue", "sqs_1000000.of_empty", "x", ">= 0.8",
        _both("sqs_1000000.of_empty", 0.8)),
    Row("  filling, batches of ten", "fill.messages_per_s", "msg/s"),
    Row("SQS by tens: messages sent, received and deleted", "batch.messages_per_s", "/s"),
    Row("  beside the embedded store's", "batch.of_embedded", "x"),
    Row("FIFO sends to 100 groups, 16 connections", "fifo.sends_per_s", "/s"),
    Row("  by tens", "fifo.batch_messages_per_s", "msg/s"),
    Row("  beside the embedded store's", "fifo.of_embedded", "x"),
    Row("  send+receive+delete cycles", "fifo.cycles_per_s", "/s"),
    Row("  1 connection, 1 group", "fifo.one.cycles_per_s", "/s"),
    Row("    100 groups beside one", "fifo.hundred_of_one", "x", ">= 0.9", _both("fifo.hundred_of_one", 0.9)),
    Row("    100,000 groups with messages waiting, beside one", "fifo.many_of_one", "x", ">= 0.8",
        _both("fifo.many_of_one", 0.8)),
    Row("1 message published to 10 queues, in envelopes", "fan_out.per_s", "/s"),
    Row("  beside ministack's share of the floor", "fan_out.of_ministack", "x", ">= 2",
        _over("fan_out.of_ministack", 2)),
    Row("  beside the embedded store's", "fan_out.of_embedded", "x"),
    Row("  raw", "fan_out.raw.per_s", "/s"),
    Row("    beside ministack's share of the floor", "fan_out.raw.of_ministack", "x", ">= 2",
        _over("fan_out.raw.of_ministack", 2)),
    Row("  5 of 10 chosen by filter policies", "fan_out.filtered.per_s", "/s"),
    Row("  PublishBatch of 10", "fan_out.batch.per_s", "msg/s"),
    Row("receives of 10 with 50,000 waiting", "receives.messages_per_s", "msg/s"),
    Row("  beside ministack's", "receives.of_ministack", "x", ">= 10", _over("receives.of_ministack", 10)),
    Row("GetQueueAttributes, 1,000,000 waiting, p50", "counts.full_p50_ms", "ms"),
    Row("  an empty queue's beside it", "counts.of_empty", "x", ">= 0.5", _both("counts.of_empty", 0.5)),
    Row("1,000 long polls parked: server's cores while idle", "parked.idle_cores", "", "< 0.01",
        _under("parked.idle_cores", 0.01)),
    Row("  memory of one", "parked.memory_kb", "kB"),
    Row("  messages of one sender", "parked.messages_per_s", "/s"),
    Row("  sent until received, p50", "parked.p50_ms", "ms"),
    Row("    p99", "parked.p99_ms", "ms"),
    Row("  server's time for a message: sent, received, deleted, polled again", "parked.server_ms", "ms"),
    Row("  operations for a message", "parked.operations_per_message", "", "<= 6",
        _under("parked.operations_per_message", 6.5)),
    Row("ten-Pass Standard execution, 16 in parallel", "ten_pass.executions_per_s", "/s"),
    Row("  beside ministack's rate", "ten_pass.of_ministack", "x", ">= 10", _over("ten_pass.of_ministack", 10)),
    Row("  beside the embedded store's", "ten_pass.of_embedded", "x"),
    Row("  p50 of one alone", "ten_pass.alone_p50_ms", "ms", "< 5 ms", _under("ten_pass.alone_p50_ms", 5)),
    Row("callback round trip, p50", "callback.p50_ms", "ms", "< 8 ms", _under("callback.p50_ms", 8)),
    Row("  p99", "callback.p99_ms", "ms"),
    Row("  callbacks, 16 in parallel", "callback.per_s", "/s"),
    Row("    beside the embedded store's", "callback.of_embedded", "x", ">= 0.25",
        _over("callback.of_embedded", 0.25, POSTGRES)),
    Row("warm Python invocation, p50", "invoke.warm_p50_ms", "ms", "< 3 ms", _under("invoke.warm_p50_ms", 3)),
    Row("  p99", "invoke.warm_p99_ms", "ms"),
    Row("  8 connections", "invoke.eight_per_s", "/s"),
    Row("  first cold one", "invoke.cold_ms", "ms", "< 120 ms", _under("invoke.cold_ms", 120)),
    Row("SQS > mapping > handler, p50 of single messages", "mapping.p50_ms", "ms", "< 10 ms",
        _under("mapping.p50_ms", 10)),
    Row("  slowest", "mapping.max_ms", "ms"),
    Row("  p50 of messages sent right after another", "mapping.prompt_p50_ms", "ms"),
    Row("two nodes beside one, cycles of 16 connections", "nodes.two_of_one", "x"),
    Row("  callbacks", "nodes.two_of_one_callback", "x"),
    Row("  processor time of a cycle: node", "nodes.one.server_ms", "ms"),
    Row("    database", "nodes.one.database_ms", "ms"),
    Row("    load generator", "nodes.one.client_ms", "ms"),
    Row("message at one node > long poll at the other, p50", "wake.across_p50_ms", "ms"),
    Row("  p99", "wake.across_p99_ms", "ms"),
    Row("  at the same node, p50", "wake.same_p50_ms", "ms"),
    Row("callback round trip, worker at the other node, p50", "wake.callback.p50_ms", "ms"),
    Row("  p99", "wake.callback.p99_ms", "ms"),
    Row("jobs of a killed node begun again after", "take_over.all_s", "s"),
    Row("server's cores during SQS", "sqs.server_cores", ""),
    Row("database's cores during SQS", "sqs.database_cores", ""),
    Row("load generator's cores during SQS", "sqs.client_cores", ""),
)  # fmt: skip


def derive(results: Results) -> None:
    """Add the figures that follow from others."""
    peer = results.get("ministack", {})
    for name, figures in results.items():
        for side in ("server", "client"):
            if f"http.{side}_cores" in figures:
                figures[f"sqs.{side}_cores"] = figures[f"http.{side}_cores"]
        for key in [key for key in figures if key.startswith("sqs_") and key.endswith(".of_floor")]:
            if "sqs.of_floor" in figures:
                figures[key.replace(".of_floor", ".of_empty")] = figures[key] / figures["sqs.of_floor"]
        for key, ratio in (
            ("sqs.of_floor", "sqs.of_ministack"),
            ("fan_out.of_floor", "fan_out.of_ministack"),
            ("fan_out.raw.of_floor", "fan_out.raw.of_ministack"),
            ("receives.messages_per_s", "receives.of_ministack"),
            ("ten_pass.executions_per_s", "ten_pass.of_ministack"),
        ):
            if name == "waypost" and key in figures and key in peer:
                figures[ratio] = figures[key] / peer[key]


def verdicts(results: Results) -> dict[str, bool | None]:
    """Row > met, for the rows that have a target."""
    return {row.key: row.met(results) for row in ROWS if row.met is not None}


def table(results: Results, notes: Mapping[str, Mapping[str, str]]) -> str:
    """The report as text; a figure that is not there is ``-``, explained by a note below where there is one."""
    servers = [name for name in SERVERS if name in results]
    met = verdicts(results)
    lines = [["figure", *servers, "unit", "target", ""]]
    for row in ROWS:
        values = [_text(results[name].get(row.key)) for name in servers]
        if all(value == "-" for value in values):
            continue
        verdict = {True: "met", False: "MISSED", None: ""}[met.get(row.key)]
        if row.key in met and met[row.key] is None and "waypost" in results:
            verdict = "not measured"
        lines.append([row.title, *values, row.unit, row.target, verdict])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    written = []
    for number, line in enumerate(lines):
        cells = [
            text.rjust(width) if 0 < column <= len(servers) else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        written.append("  ".join(cells).rstrip())
        if number == 0:
            written.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
    for name, said in notes.items():
        written.extend(f"{name}, {scenario}: {note}" for scenario, note in said.items())
    return "\n".join(written)


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def write(place: Path, document: Mapping[str, Any]) -> Path:
    """Keep a run as JSON, in a file of that name; in a folder, in a dated file, and as ``latest.json``."""
    text = json.dumps(document, indent=2) + "\n"
    if place.suffix == ".json":
        place.write_text(text, "utf-8")
        return place
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    for path in (file, place / "latest.json"):
        path.write_text(text, "utf-8")
    return file
