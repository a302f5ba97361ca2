"""The contract as an AsyncAPI 3 document: `python -m protocol.asyncapi` prints it.

Each command and query is an operation that the server receives, with its acknowledgement as the
reply. Each event is an operation that the server sends. Rooms are channels; the channel
`connection` has all other messages. AsyncAPI has no binding for Socket.IO, so `x-socketio`
describes how a message travels: its `payload` is the first argument; the `headers` of an event are
the second. Source: AsyncAPI 3.0.0; its schemas are JSON Schema draft 7.
"""

from inspect import cleandoc
from typing import Any, Final

import msgspec

from protocol import VERSION, codec, errors, rooms
from protocol.auth import ROUTES
from protocol.domains import load
from protocol.endings import Ending, RefusalReason
from protocol.facts import doc_of, reasons, refused_by, room_of, schema_name
from protocol.gateway import ConnectError, EvictionReason, ExpiryReason, Parting, ResetReason
from protocol.message import (
    ADDRESS_RATES,
    RATES,
    Delivery,
    Event,
    Kind,
    Limit,
    Rates,
    Spec,
    specs,
)
from protocol.pages import item_of
from protocol.permissions import GRANTS, SCOPES

ASYNCAPI: Final = "3.0.0"

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas"
_CONNECTION: Final = "connection"
_ERROR: Final = "error"

_ENDINGS: Final[dict[str, type[Ending]]] = {
    "auth.expired": ExpiryReason,
    "server.evicted": EvictionReason,
    "connect_error": ConnectError,
    "rooms.join reset": ResetReason,
    "transport": RefusalReason,
    "else": Parting,
}
"""All reasons of endings other than replies, by where a client sees them."""

_ABOUT: Final = """\
A real-time game server. One Socket.IO connection carries commands, queries and events. Clients log
in over REST. `/protocol` on the same server says what a client may rely on.

Every command and query has one reply. `{"ok": true, "data": …}` is a promise: the command is
committed. `{"ok": false, "error": …}` has the reason of a failure. A client that joins a room with
`rooms.join` receives a snapshot and then the events of the room, numbered without gaps."""

_SOCKETIO: Final[Json] = {
    "protocol": 5,
    "engineio": 4,
    "path": "/socket.io/",
    "namespace": "/",
    "transports": ["websocket", "polling"],
    "auth": "{token} or {service_key}",
    "receive": "emit(name, payload, acknowledge)",
    "reply": "acknowledge(payload)",
    "send": "on(name, (payload, headers))",
}


def document() -> Json:
    """The complete document, as JSON types."""
    modules = load()
    found = list(specs())
    calls = [spec for spec in found if spec.kind is not Kind.EVENT]
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:warroom:protocol",
        "info": _info(found),
        "defaultContentType": "application/json",
        "servers": {"warroom": _server()},
        "channels": _channels(found),
        "operations": {spec.name: _operation(spec) for spec in found},
        "components": {
            "messages": _messages(found),
            "schemas": _schemas(calls),
            "securitySchemes": _security(),
        },
        "x-socketio": _SOCKETIO,
        "x-errors": {code.value: _about(code) for code in errors.Code},
        "x-reasons": {
            cls.__module__.removeprefix("protocol."): {
                "of": cleandoc(cls.__doc__ or ""),
                "reasons": {reason.value: _reason(reason) for reason in cls},
            }
            for cls in reasons(modules)
        },
        "x-endings": {
            name: {ending.value: _about(ending) for ending in cls} for name, cls in _ENDINGS.items()
        },
        "x-roles": {role.value: sorted(granted) for role, granted in GRANTS.items()},
        "x-scopes": sorted(SCOPES),
        "x-rates": {limit.value: _rates(limit) for limit in Limit},
        "x-rest": {route: limit.value for route, limit in ROUTES.items()},
    }


def _about(ending: Ending) -> Json:
    return {"meaning": ending.meaning, "retry": ending.retry}


def _reason(reason: errors.ErrorReason) -> Json:
    """The code of a reason, the messages that declare it, and the type of its details, if any."""
    about: Json = {"code": reason.code.value, "refused_by": refused_by(reason)}
    if reason.details is not None:
        about["details"] = _ref(reason.details.__name__)
    return about


def encoded() -> bytes:
    """The served document: indented JSON."""
    return msgspec.json.format(codec.encode(document()), indent=1)


def _info(found: list[Spec]) -> Json:
    domains = sorted({spec.domain for spec in found})
    return {
        "title": "Warroom",
        "version": VERSION,
        "description": _ABOUT,
        "license": {"name": "MIT"},
        "tags": [{"name": domain} for domain in domains],
    }


def _server() -> Json:
    return {
        "host": "{host}",
        "pathname": _SOCKETIO["path"],
        "protocol": "socketio",
        "protocolVersion": str(_SOCKETIO["protocol"]),
        "description": "Any Socket.IO client, over WebSocket or polling, with TLS or without.",
        "variables": {
            "host": {
                "default": "127.0.0.1:8000",
                "description": "The host of this document.",
            }
        },
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _security()],
    }


def _security() -> Json:
    """The credentials of a handshake. AsyncAPI has no scheme for the payload of a handshake; an API
    key as a password is the closest."""
    return {
        "token": {
            "type": "apiKey",
            "in": "password",
            "description": "An access token, as `auth: {token}` of the handshake."
            " `POST /api/auth/login` returns it.",
        },
        "service_key": {
            "type": "apiKey",
            "in": "password",
            "description": "A service key, as `auth: {service_key}` of the handshake.",
        },
    }


def _channels(found: list[Spec]) -> Json:
    """The connection, and each kind of room."""
    inside: dict[str, list[str]] = {
        _CONNECTION: [_ERROR],
        **{word: [] for word in sorted(rooms.KINDS)},
    }
    for spec in found:
        inside[_channel_of(spec)] += [spec.name] if spec.reply is None else _names(spec)
    channels: Json = {
        name: {"messages": {key: {"$ref": f"#/components/messages/{key}"} for key in keys}}
        for name, keys in inside.items()
    }
    channels[_CONNECTION] |= {
        "address": _SOCKETIO["namespace"],
        "title": "The connection",
        "description": "Commands and queries with their replies, and the events to one connection.",
    }
    for kind in rooms.all_kinds():
        channels[kind.word] |= _room(kind)
    return channels


def _room(kind: rooms.RoomKind) -> Json:
    about: Json = {
        "address": f"{kind.word}:{{id}}" if kind.keyed else kind.word,
        "title": f"Room {kind.pattern}",
        "description": f"{kind.doc} Joined with `rooms.join`.",
        "x-permission": kind.permission.value,
        "x-snapshot": _ref(rooms.snapshot(kind.word).__name__),
    }
    if kind.keyed:
        about["parameters"] = {"id": {"description": f"Which {kind.word}."}}
    return about


def _channel_of(spec: Spec) -> str:
    if not issubclass(spec.type, Event):
        return _CONNECTION
    return room_of(spec.type).partition(":")[0] or _CONNECTION


def _names(spec: Spec) -> list[str]:
    """The names of a call's message and of its reply."""
    return [spec.name, f"{spec.name}.reply"]


def _operation(spec: Spec) -> Json:
    channel = _channel_of(spec)
    summary, _, more = cleandoc(spec.doc).partition("\n\n")

    def inside(name: str) -> Json:
        return {"$ref": f"#/channels/{channel}/messages/{name}"}

    about: Json = {
        "action": "send" if spec.kind is Kind.EVENT else "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "title": spec.name,
        "summary": summary,
        "tags": [{"name": spec.domain}],
        "messages": [inside(spec.name)],
        "x-kind": spec.kind.value,
    }
    if more:
        about["description"] = more
    if spec.delivery is not None:
        return about | {"x-delivery": spec.delivery.value}
    assert spec.permission is not None
    assert spec.limit is not None
    return about | {
        "reply": {
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [inside(f"{spec.name}.reply"), inside(_ERROR)],
        },
        "x-permission": spec.permission.value,
        "x-rate": {"class": spec.limit.value, **_rates(spec.limit)},
        "x-refused": list(spec.refuses),
    }


def _rates(limit: Limit) -> Json:
    def of(rates: Rates) -> Json:
        per_second, at_once = rates[limit]
        return {"per_second": per_second, "at_once": at_once}

    return {"one_person": of(RATES), "one_address": of(ADDRESS_RATES)}


def _messages(found: list[Spec]) -> Json:
    there: Json = {
        _ERROR: {
            "name": _ERROR,
            "title": "Error",
            "summary": "The reply to a message that failed. `code` is the cause.",
            "payload": _ref(codec.NotOk.__name__),
        }
    }
    for spec in found:
        about: Json = {
            "name": spec.name,
            "title": spec.name,
            "summary": cleandoc(spec.doc).partition("\n\n")[0],
            "tags": [{"name": spec.domain}],
            "payload": _ref(spec.type.__name__),
        }
        if spec.delivery is not None:
            kept = spec.delivery is Delivery.KEPT
            about["headers"] = _ref("KeptMeta" if kept else codec.Meta.__name__)
        there[spec.name] = about
        if spec.reply is not None:
            there[f"{spec.name}.reply"] = {
                "name": f"{spec.name}.reply",
                "title": f"Reply to {spec.name}",
                "summary": doc_of(spec.reply).partition("\n\n")[0],
                "tags": [{"name": spec.domain}],
                "payload": {
                    "type": "object",
                    "properties": {"ok": {"const": True}, "data": _ref(schema_name(spec.reply))},
                    "required": ["ok", "data"],
                },
            }
    return there


# ---- schemas


def _ref(name: str) -> Json:
    return {"$ref": f"{_SCHEMAS}/{name}"}


def _schemas(calls: list[Spec]) -> Json:
    """The schemas of all types, by their names."""
    snapshots = [rooms.snapshot(word) for word in sorted(rooms.KINDS)]
    wanted: list[type] = [spec.type for spec in specs()]
    wanted += [spec.reply for spec in calls if spec.reply is not None]
    wanted += [*snapshots, codec.Meta, codec.NotOk, errors.Fault]
    told = [reason.details for cls in reasons(load()) for reason in cls]
    wanted += [details for details in told if details is not None]
    _, components = msgspec.json.schema_components(
        dict.fromkeys(wanted), ref_template=f"{_SCHEMAS}/{{name}}"
    )
    pages = _pages(calls)
    named = {
        pages.get(str(schema.get("title")), name): schema for name, schema in components.items()
    }
    found: Json = {name: _draft_7(schema) for name, schema in sorted(named.items())}
    for name in pages.values():
        found[name]["title"] = name
    found[codec.NotOk.__name__] |= {"required": ["ok", "error"]}
    found[codec.NotOk.__name__]["properties"]["ok"] = {"const": False}
    found["KeptMeta"] = {
        "title": "KeptMeta",
        "description": "The metadata of a kept event.",
        "type": "object",
        "allOf": [_ref(codec.Meta.__name__)],
        "required": ["seq", "epoch"],
    }
    found["Joined"]["properties"]["snapshot"] = {
        "description": "Its type depends on the kind of room. Only `joined` and `reset` have one.",
        "anyOf": [_ref(name) for name in dict.fromkeys(cls.__name__ for cls in snapshots)],
    }
    return found


def _pages(calls: list[Spec]) -> dict[str, str]:
    """The names of the schemas of pages, by the titles that msgspec gives them: `Page[UserView]`.

    Raises ValueError where two are named alike, or one as another type is.
    """
    replies = dict.fromkeys(spec.reply for spec in calls if spec.reply is not None)
    items = {reply: item for reply in replies if (item := item_of(reply)) is not None}
    names = {f"Page[{item.__name__}]": schema_name(reply) for reply, item in items.items()}
    others = [cls.__name__ for cls in replies if cls not in items]
    if len({*names.values(), *others}) < len(items) + len(others):
        raise ValueError(f"two schemas are named alike: {', '.join(sorted(names.values()))}")
    return names


def _draft_7(schema: Any) -> Any:
    """A schema of msgspec, with bare references and without indented texts."""
    match schema:
        case {"$ref": reference, **more} if more:
            return {"allOf": [{"$ref": reference}], **_draft_7(more)}
        case dict():
            return {
                key: cleandoc(value)
                if key == "description" and isinstance(value, str)
                else _draft_7(value)
                for key, value in schema.items()
            }
        case list():
            return [_draft_7(one) for one in schema]
    return schema


if __name__ == "__main__":
    print(encoded().decode())
