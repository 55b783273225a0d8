"""Reading a definition field by field: each answers a usable value, and notes what is wrong with the one found."""

from typing import Any

from waypost.asl.dataflow import Template, compile_expression
from waypost.asl.intrinsics import Intrinsic
from waypost.asl.jsonpath import ROOT, Path, compile_path
from waypost.asl.pathscan import PathSyntaxError
from waypost.asl.problems import INVALID_VARIABLE, RESERVED_VARIABLE, SCHEMA, UNSUPPORTED, Problem

Fields = dict[str, Any]
VARIABLE_NAME_MAX = 80


class Reader:
    """Collects the problems of one definition."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.unsupported: list[Problem] = []
        """What AWS runs and Waypost does not yet; reported when nothing else is wrong."""
        self.references: dict[str, set[str]] = {}
        """The variables that each state reads."""
        self.state = ""
        """The state that is being read."""

    def note(self, message: str, location: str, code: str = SCHEMA) -> None:
        """Note a problem."""
        self.problems.append(Problem(code, message, location))

    def refuse(self, what: str, location: str) -> None:
        """Note something that is not supported yet."""
        self.unsupported.append(Problem(UNSUPPORTED, f"{what} is not supported by Waypost yet", location))

    # Shapes

    def only(self, fields: Fields, allowed: frozenset[str], location: str) -> None:
        """Note every field that does not belong here."""
        for name in fields:
            if name not in allowed:
                self.note(f"Field '{name}' is not supported", location or "/")

    def required(self, fields: Fields, names: tuple[str, ...], location: str) -> bool:
        """Tell whether all of ``names`` are there."""
        missing = [name for name in names if name not in fields]
        if missing:
            self.note(f"These fields are required: [{', '.join(missing)}]", location or "/")
        return not missing

    def one_of(self, fields: Fields, names: tuple[str, ...], location: str, *, needed: bool) -> str | None:
        """Answer which one of ``names`` is there."""
        found = [name for name in names if name in fields]
        if len(found) == 1:
            return found[0]
        if found:
            self.note(f"There should only be one of the following fields: [{', '.join(names)}]", location)
        elif needed:
            self.note(f"This object should have only one of the following fields: [{', '.join(names)}]", location)
        return None

    def mapping(self, fields: Fields, name: str, location: str) -> Fields | None:
        """Read an object that is there; None if it is not an object."""
        value = fields[name]
        if isinstance(value, dict):
            return value
        self.note("Expected value of type Object", f"{location}/{name}")
        return None

    def sequence(self, fields: Fields, name: str, location: str, *, filled: bool = True) -> list[Fields]:
        """Read an array of objects; empty if it is not there or is something else."""
        if name not in fields:
            return []
        value = fields[name]
        if not isinstance(value, list):
            self.note("Expected value of type Array", f"{location}/{name}")
            return []
        if filled and not value:
            self.note("Value cannot be empty", f"{location}/{name}")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                self.note("Expected value of type Object", f"{location}/{name}[{index}]")
        return [item if isinstance(item, dict) else {} for item in value]

    # Leaves

    def string(self, fields: Fields, name: str, location: str) -> str | None:
        """Read a string; None if it is not there or is something else."""
        value = fields.get(name)
        if value is None and name not in fields:
            return None
        if isinstance(value, str):
            return value
        self.note("Expected value of type String", f"{location}/{name}")
        return None

    def choice(self, fields: Fields, name: str, options: tuple[str, ...], location: str) -> str | None:
        """Read one of some words."""
        value = self.string(fields, name, location)
        if value is not None and value not in options:
            self.note(f"Value should be one of the following: [{', '.join(options)}]", f"{location}/{name}")
            return None
        return value

    def boolean(self, fields: Fields, name: str, location: str) -> bool | None:
        """Read true or false."""
        value = fields.get(name)
        if isinstance(value, bool):
            return value
        if name in fields:
            self.note("Expected value of type Boolean", f"{location}/{name}")
        return None

    def whole(self, fields: Fields, name: str, location: str, least: int, most: int | None = None) -> int | None:
        """Read a whole number within bounds."""
        if name not in fields:
            return None
        value = fields[name]
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            self.note("Expected value of type Integer", f"{location}/{name}")
            return None
        return value if self._bounded(value, name, location, least, most) else None

    def number(self, fields: Fields, name: str, location: str, least: float) -> float | None:
        """Read a number that is not too small."""
        if name not in fields:
            return None
        value = fields[name]
        if type(value) is not int and type(value) is not float:
            self.note("Expected value of type Number", f"{location}/{name}")
            return None
        return float(value) if self._bounded(value, name, location, least, None) else None

    def _bounded(self, value: float, name: str, location: str, least: float, most: float | None) -> bool:
        if value < least:
            self.note(f"Minimum value is {least}", f"{location}/{name}")
            return False
        if most is not None and value > most:
            self.note(f"Maximum value is {most}", f"{location}/{name}")
            return False
        return True

    # Expressions

    def path(self, fields: Fields, name: str, location: str) -> Path | None:
        """Read a path that may be null; ``$`` when it is not there."""
        if name not in fields:
            return ROOT
        return None if fields[name] is None else self.some_path(fields, name, location)

    def some_path(self, fields: Fields, name: str, location: str) -> Path | None:
        """Read a path that is there."""
        value = self.string(fields, name, location)
        if value is None:
            return None
        try:
            path = compile_path(value)
        except PathSyntaxError:
            self.note("Value must be a valid JSONPath.", f"{location}/{name}")
            return None
        self._reference(path)
        return path

    def reference_path(self, fields: Fields, name: str, location: str) -> Path | None:
        """Read a path that names one place, or null; ``$`` when it is not there."""
        if name not in fields:
            return ROOT
        if fields[name] is None:
            return None
        value = self.string(fields, name, location)
        if value is None:
            return None
        where = f"{location}/{name}"
        if not value.startswith("$"):
            self.note("Value is not a Reference Path: Reference path didn't start with '$'", where)
            return None
        try:
            path = compile_path(value)
        except PathSyntaxError:
            self.note("Value is not a Reference Path", where)
            return None
        # A ResultPath is written to: neither the context object nor a variable can be.
        if not path.reference or (name == "ResultPath" and path.scope != "$"):
            self.note("Value is not a Reference Path", where)
            return None
        self._reference(path)
        return path

    def variable(self, fields: Fields, name: str, location: str) -> Path | None:
        """Read a path of a Choice rule."""
        value = self.string(fields, name, location)
        if value is None:
            return None
        where = f"{location}/{name}"
        try:
            path = compile_path(value)
        except PathSyntaxError:
            reason = "" if value.startswith("$") else ": Reference path didn't start with '$'"
            self.note(f"Value is not a Reference Path{reason}", where)
            return None
        self._reference(path)
        return path

    def expression(self, fields: Fields, name: str, location: str) -> Path | Intrinsic | None:
        """Read a path or an intrinsic call that is there."""
        value = self.string(fields, name, location)
        if value is None:
            return None
        where = f"{location}/{name}"
        try:
            expression = compile_expression(value)
        except PathSyntaxError:
            self.note("Value must be a valid JSONPath or a valid intrinsic function call", where)
            return None
        self._check_expression(expression)
        return expression

    def template(self, fields: Fields, name: str, location: str) -> Template | None:
        """Read a payload template; None if it is not there."""
        if name not in fields:
            return None
        where = f"{location}/{name}"
        if not isinstance(fields[name], dict):
            self.note("Expected value of type Object", where)
            return None
        known = len(self.problems)
        self._check_template(fields[name], where)
        return Template(fields[name]) if len(self.problems) == known else None

    def _check_template(self, source: Any, location: str) -> None:
        if isinstance(source, list):
            for index, item in enumerate(source):
                self._check_template(item, f"{location}[{index}]")
        if not isinstance(source, dict):
            return
        for key, value in source.items():
            if not key.endswith(".$"):
                self._check_template(value, f"{location}/{key}")
                continue
            try:
                expression = compile_expression(value if isinstance(value, str) else "")
            except PathSyntaxError:
                message = f"The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
                self.note(message, location)
                continue
            self._check_expression(expression)

    def assign(self, fields: Fields, location: str) -> Template | None:
        """Read an ``Assign``; None if it is not there."""
        for key in fields["Assign"] if isinstance(fields.get("Assign"), dict) else ():
            name = key.removesuffix(".$")
            where = f"{location}/Assign"
            if name == "states":
                self.note("Cannot assign to reserved variable '$states'.", where, RESERVED_VARIABLE)
            elif not name.isidentifier() or len(name) > VARIABLE_NAME_MAX:
                told = f"Invalid variable name '{name}': the variable name contains invalid characters."
                self.note(told, where, INVALID_VARIABLE)
        return self.template(fields, "Assign", location)

    def _check_expression(self, expression: Path | Intrinsic) -> None:
        for path in expression.paths if isinstance(expression, Intrinsic) else (expression,):
            self._reference(path)

    def _reference(self, path: Path) -> None:
        if path.scope not in ("$", "$$"):
            self.references.setdefault(self.state, set()).add(path.scope)
