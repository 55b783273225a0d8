"""Write the pages that are generated from the code: settings, compatibility, limits and jobs.

Without ``--write`` it compares, and exits with 1 where a page differs.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from waypost.config import FILE_VARIABLE, Config, environment_name, flag_name
from waypost.registry import Registry
from waypost.server import SERVICES
from waypost.service import Service

ROOT = Path(__file__).parents[1]
NOTICE = "<!-- Generated from the code by `make docs`; edit the code, not this page. -->"
TITLES = {
    "iam": "IAM", "lambda": "Lambda", "logs": "CloudWatch Logs", "sns": "SNS", "sqs": "SQS", "states": "Step Functions",
    "sts": "STS",
}  # fmt: skip


def configuration() -> str:
    """Every setting of ``waypost serve``."""
    lines = [
        "# Settings",
        "",
        NOTICE,
        "",
        f"""Flags win over environment variables, those over the TOML file. The file is the one that `--config` or
`{FILE_VARIABLE}` names, else `waypost.toml` in the current folder if it exists; its keys are the names below.""",
        "",
        "| name in the file | flag | environment variable | default | bounds | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for item in fields(Config):
        low, high = item.metadata["low"], item.metadata["high"]
        bounds = f"{low} to {high}" if low is not None else ""
        default = f"`{item.default}`" if item.default != "" else "empty"
        cells = [f"`{item.name}`", f"`{flag_name(item.name)}`", f"`{environment_name(item.name)}`", default, bounds]
        lines.append(f"| {' | '.join(cells)} | {item.metadata['doc']} |")
    return "\n".join([*lines, ""])


def compatibility() -> str:
    """Every operation of every service's model, and what is refused of it."""
    registry = Registry(SERVICES)
    lines = [
        "# Compatibility",
        "",
        NOTICE,
        "",
        """Operation by operation, from the AWS service models. **yes**: as AWS does it. **partly**: works, with the
named members refused or the named difference. **no**: answered with a 4xx error that SDKs do not retry. A member that
Waypost does not act on is refused, never ignored.""",
        "",
        "| service | operations | supported |",
        "|---|---|---|",
    ]
    tables: list[str] = []
    for service in sorted(SERVICES, key=lambda service: TITLES[service.name]):
        names = registry.router.operations(service.model)
        title = TITLES[service.name]
        supported = sum(name in service.operations for name in names)
        lines.append(f"| [{title}](#{title.lower().replace(' ', '-')}) | {len(names)} | {supported} |")
        tables += ["", f"## {TITLES[service.name]}", "", "| operation | supported | what differs |", "|---|---|---|"]
        tables += [_row(service, name) for name in names]
    return "\n".join([*lines, *tables, ""])


def _row(service: Service, name: str) -> str:
    if name not in service.operations:
        return f"| {name} | no | |"
    refused = [f"`{rule.replace('|', '` or `')}` refused: {why}" for rule, why in service.refuses.get(name, {}).items()]
    notes = [service.notes[name]] if name in service.notes else []
    differs = "<br>".join([*notes, *refused])
    return f"| {name} | {'partly' if differs else 'yes'} | {differs} |"


def limits() -> str:
    """Every constant of the services' ``limits.py``."""
    lines = ["# Limits", "", NOTICE, "", "AWS's quotas as Waypost keeps them, and its own bounds."]
    for file in sorted((ROOT / "src/waypost/services").glob("*/limits.py")):
        lines += [
            "",
            f"## {TITLES.get(file.parent.name, TITLES.get(file.parent.name.rstrip('s'), file.parent.name))}",
            "",
            "| name | value | meaning |",
            "|---|---|---|",
        ]
        lines += [f"| `{name}` | {value} | {meaning} |" for name, value, meaning in constants(file)]
    return "\n".join([*lines, ""])


def constants(file: Path) -> Iterator[tuple[str, str, str]]:
    """Name, value and docstring of a module's public constants."""
    body = ast.parse(file.read_text("utf-8")).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        target = (
            node.targets[0]
            if isinstance(node, ast.Assign)
            else node.target
            if isinstance(node, ast.AnnAssign)
            else None
        )
        if not isinstance(target, ast.Name) or not target.id.isupper() or target.id.startswith("_"):
            continue
        meaning = ""
        if (
            isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            meaning = " ".join(following.value.value.split())
        value = (
            ast.unparse(node.value) if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None else ""
        )
        yield target.id, f"`{value}`".replace("|", "\\|"), meaning.replace("|", "\\|")


def jobs() -> str:
    """Every kind of background job."""
    lines = [
        "# Background jobs",
        "",
        NOTICE,
        "",
        "Each is a kind of row in the one `job` table; see [architecture](architecture.md#background-work).",
        "",
        "| kind | what it does |",
        "|---|---|",
    ]
    for service in sorted(SERVICES, key=lambda service: service.name):
        for kind, handler in sorted(service.jobs.items()):
            first = (handler.__doc__ or "").strip().partition("\n\n")[0]
            lines.append(f"| `{kind}` | {' '.join(first.split())} |")
    return "\n".join([*lines, ""])


PAGES = {
    "docs/configuration.md": configuration,
    "docs/compatibility.md": compatibility,
    "docs/limits.md": limits,
    "docs/jobs.md": jobs,
}


def main() -> int:
    """Write or compare."""
    stale = []
    for path, page in PAGES.items():
        text = page()
        file = ROOT / path
        if "--write" in sys.argv:
            file.write_text(text, "utf-8")
        elif not file.exists() or file.read_text("utf-8") != text:
            stale.append(path)
    if stale:
        print(f"differs from the code, run `make docs`: {', '.join(stale)}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
