"""The AsyncAPI document as those read it who validate messages against it."""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

_WHERE: Final = "urn:document"


class Described:
    """What a document says of messages, by their names."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self._registry: Any = Registry().with_resource(_WHERE, DRAFT7.create_resource(document))
        self._known: dict[str, Draft7Validator] = {}

    def faults(self, at: str, value: object) -> list[str]:
        """What the schema at a place, `components/schemas/Battle`, finds wrong with a value."""
        if at not in self._known:
            reference = {"$ref": f"{_WHERE}#/{at}"}
            self._known[at] = Draft7Validator(reference, registry=self._registry)
        return [f"{e.json_path}: {e.message}" for e in self._known[at].iter_errors(value)]

    def call(self, name: str, data: object) -> list[str]:
        """What is wrong with the data of a command or query."""
        return self.faults(f"components/messages/{name}/payload", data)

    def reply(self, name: str, answer: dict[str, Any]) -> list[str]:
        """What is wrong with an answer to it, by the replies that its operation lists."""
        operation = self.document["operations"][name]
        channel, *_ = [operation["reply"]["channel"]["$ref"].removeprefix("#/")]
        listed = [m["$ref"].removeprefix(f"#/{channel}/") for m in operation["reply"]["messages"]]
        wanted = f"messages/{name}.reply" if answer["ok"] else "messages/error"
        if wanted not in listed:
            return [f"{name} has no {wanted}"]
        return self.faults(f"components/{wanted}/payload", answer)

    def event(self, name: str, data: object, meta: dict[str, Any]) -> list[str]:
        """What is wrong with an event: it must be one of those of its room's channel."""
        channel = meta["room"].partition(":")[0] or "connection"
        if name not in self.document["channels"][channel]["messages"]:
            return [f"{name} is no event of {channel}"]
        at = f"components/messages/{name}"
        return [*self.faults(f"{at}/payload", data), *self.faults(f"{at}/headers", meta)]

    def snapshot(self, room: str, snapshot: object) -> list[str]:
        """What is wrong with the snapshot of a room."""
        reference = self.document["channels"][room.partition(":")[0]]["x-snapshot"]["$ref"]
        return self.faults(reference.removeprefix("#/"), snapshot)
