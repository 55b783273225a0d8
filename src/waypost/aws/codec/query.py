"""The Query protocol: a form with ``Action`` in, XML out."""

from collections.abc import Callable
from typing import Any

from waypost.aws import faults
from waypost.aws.codec.form import Pairs
from waypost.aws.codec.parts import CONTENT_TYPE, REQUEST_ID, Codec, Header, Parse, Protocol, Serialize, late
from waypost.aws.codec.xml import Writers, escape, flattened, from_text, namespace_text
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse
from waypost.aws.model import Operation, Ref, Service, Shape

XML: Header = (CONTENT_TYPE, b"text/xml")
PARTS_MAX = 64
"""Most parts between the dots of a field's name that are looked at."""

Tree = dict[str, Any]
"""A field ``A.1.B`` is ``{"A": {"1": {"B": {"": value}}}}``."""
Reader = Callable[[Tree], Any]


def _compile(service: Service, operation: Operation) -> Codec:
    return Codec(
        _parser(service, operation),
        _serializer(service, operation),
        lambda error, request_id: _render_error(service, error, request_id),
    )


# --- requests


def _parser(service: Service, operation: Operation) -> Parse:
    members = service.shape(operation.input).members if operation.input is not None else {}
    read = _Readers(service).structure(members)
    path_member = service.query_form.path_member if service.query_form is not None else None

    def parse(_request: HttpRequest, routed: Any) -> dict[str, Any]:
        return read(tree(routed.form))  # type: ignore[no-any-return]

    if path_member is None or path_member not in members:
        return parse

    def parse_with_path(request: HttpRequest, routed: Any) -> dict[str, Any]:
        params: dict[str, Any] = read(tree(routed.form))
        if path_member not in params and len(request.path) > 1:
            params[path_member] = f"http://{request.headers.get('host', 'localhost')}{request.path}"
        return params

    return parse_with_path


def tree(pairs: Pairs) -> Tree:
    """The fields of a form by the parts of their names; of a name that comes twice the last one counts."""
    root: Tree = {}
    for name, value in pairs:
        if "." not in name:
            root.setdefault(name, {})[""] = value
            continue
        node = root
        for part in name.split(".", PARTS_MAX):
            # An empty part would be mistaken for a value.
            node = node.setdefault(part or " ", {})
        node[""] = value
    return root


class _Readers:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[str, bool], Reader] = service.types.setdefault("form readers", {})

    def structure(self, members: dict[str, Ref]) -> Reader:
        readers = [(self._wire(name, ref), name, self.of(ref)) for name, ref in members.items()]

        def read(node: Tree) -> Any:
            result = {}
            for wire, name, reader in readers:
                child = node.get(wire)
                if child is not None:
                    result[name] = reader(child)
            return result

        return read

    def _wire(self, name: str, ref: Ref) -> str:
        shape = self._service.shape(ref)
        if shape.type == "list" and shape.member is not None and shape.member.location_name and flattened(ref, shape):
            return shape.member.location_name
        return ref.location_name or shape.location_name or name

    def of(self, ref: Ref) -> Reader:
        shape = self._service.shape(ref)
        key = (ref.shape, flattened(ref, shape))
        if key not in self._made:
            self._made[key] = late(self._made, key)
            self._made[key] = self._reader(ref, shape)
        return self._made[key]

    def _reader(self, ref: Ref, shape: Shape) -> Reader:
        if shape.type == "structure":
            return self.structure(shape.members)
        if shape.type == "list" and shape.member is not None:
            return _list_reader(
                self.of(shape.member), "" if flattened(ref, shape) else shape.member.location_name or "member"
            )
        if shape.type == "map" and shape.key is not None and shape.value is not None:
            return _map_reader(
                self.of(shape.key),
                self.of(shape.value),
                (shape.key.location_name or "key", shape.value.location_name or "value"),
                "" if flattened(ref, shape) else "entry",
            )
        convert = from_text(shape.type)

        def read(node: Tree) -> Any:
            text = node.get("")
            if text is None:
                raise _malformed("A structure was found where a value was expected.")
            return convert(text)

        return read


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedInput", message, 400)


def _numbered(node: Tree, inner: str) -> list[Tree]:
    """The elements of a list or a map in the order of their numbers, which come after the name ``inner``, if any."""
    if inner:
        node = node.get(inner, {})
    numbered = []
    for number, child in node.items():
        if number:
            if not (number.isascii() and number.isdigit() and len(number) <= 10):
                raise _malformed("Top level element may not be treated as a list")
            numbered.append((int(number), child))
    return [child for _, child in sorted(numbered, key=lambda pair: pair[0])]


def _list_reader(element: Reader, inner: str) -> Reader:
    def read(node: Tree) -> Any:
        # AWS's own examples write a flattened list of one without a number: AttributeName=All.
        alone = [element({"": node[""]})] if not inner and node.get("") else []
        return alone + [element(child) for child in _numbered(node, inner)]

    return read


def _map_reader(key_reader: Reader, value_reader: Reader, names: tuple[str, str], inner: str) -> Reader:
    key_name, value_name = names

    def read(node: Tree) -> Any:
        result = {}
        # Likewise a flattened map of one: Tag.Key=QueueType&Tag.Value=Production.
        entries = [node] if not inner and key_name in node else _numbered(node, inner)
        for entry in entries:
            if key_name not in entry or value_name not in entry:
                raise _malformed(f"An entry of a map needs {key_name} and {value_name}.")
            result[key_reader(entry[key_name])] = value_reader(entry[value_name])
        return result

    return read


# --- responses


def _serializer(service: Service, operation: Operation) -> Serialize:
    name = operation.name
    head = f"<{name}Response{_namespace(service)}>"
    tail = f"</RequestId></ResponseMetadata></{name}Response>"
    content, opened, closed = None, "", ""
    if operation.output is not None:
        shape = service.shape(operation.output)
        content = Writers(service).content(shape.members)
        wrapper = operation.output.result_wrapper
        if wrapper:
            opened, closed = f"<{wrapper}{namespace_text(operation.output, shape)}>", f"</{wrapper}>"

    def serialize(response: dict[str, Any] | None, request_id: str) -> HttpResponse:
        out = [head, opened]
        if content is not None and response:
            content(out, response)
        out += (closed, "<ResponseMetadata><RequestId>", request_id, tail)
        return HttpResponse(200, [XML, (REQUEST_ID, request_id.encode())], "".join(out).encode())

    return serialize


def _namespace(service: Service | None) -> str:
    if service is None or not service.metadata.xml_namespace:
        return ""
    return f' xmlns="{escape(service.metadata.xml_namespace)}"'


def _render_error(service: Service | None, error: AwsError, request_id: str) -> HttpResponse:
    fault = faults.resolve(service, error, "query")
    out = [
        f"<ErrorResponse{_namespace(service)}><Error><Type>{'Sender' if fault.sender else 'Receiver'}</Type>",
        f"<Code>{escape(fault.code)}</Code><Message>{escape(error.query_message or fault.message)}</Message>",
    ]
    if service is not None and fault.shape is not None and fault.members:
        shown = {name: ref for name, ref in fault.shape.members.items() if name in fault.members}
        Writers(service).content(shown)(out, fault.members)
    if service is not None and service.query_form is not None and service.query_form.error_detail:
        out.append("<Detail/>")
    out.append(f"</Error><RequestId>{escape(request_id)}</RequestId></ErrorResponse>")
    return HttpResponse(fault.status, [XML, (REQUEST_ID, request_id.encode())], "".join(out).encode())


PROTOCOL = Protocol(_compile, _render_error)
