"""The rules of the house, read from the sources: who imports whom, and what stands where."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from server import app, domains
from server.database.tables import metadata
from server.gateway import unhandled

assert app  # importing it registers every message and handler

ROOT = Path(__file__).parents[2]

DOMAINS = [domain.name for domain in domains.DOMAINS]
"""A domain may import those that it `uses`, through their doors: what
`server/<domain>/__init__.py` exports."""

USES = {domain.name: set(domain.uses) for domain in domains.DOMAINS}

BESIDE = "conformance"
"""A server of its own on the same gateway. It knows no domain and stores nothing; the command line
alone opens it."""

GROUND = {"cli", "database", "gateway", "http", "transport", "runtime", "dashboard"}
PURE = {"rules.py", "state.py", "schedule.py", "formulas.py", "catalogue.py"}
IMPURE = {
    "asyncio",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "structlog",
    "threading",
    "time",
    "server.database",
    "server.gateway",
    "server.runtime",
    "server.transport",
}
ENTRIES = {"server/app.py", "server/domains.py"} | {
    f"server/cli/{path.name}" for path in (ROOT / "server" / "cli").glob("*.py")
}
WITH_SQL = {"store.py", "invariants.py"}
"""What reads and writes rows, and what checks them beside it."""
NAMED = {"Statement", "Listing"}
"""What reads and writes rows, each with a name of its own."""
VAGUE = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
MAX_LINES = 400
LONGER = {"protocol/spec.py": 600}
"""Lists of message types, and what is written from all of them."""
SQL = re.compile(r"\s*(select|insert into|update|delete from|pragma|create|alter|drop)\s\S+\s\S")


class Import(NamedTuple):
    """A module that a file imports, and a name from it ("" for the module itself)."""

    module: str
    name: str

    def within(self, package: str) -> bool:
        """Whether it comes from a package, or is it."""
        whole = f"{self.module}.{self.name}"
        return f"{whole}.".startswith(f"{package}.")


class Source:
    """One file."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(ROOT).as_posix()
        self.parts = self.name.split("/")
        self.text = path.read_text()
        self.tree = ast.parse(self.text)
        self.imports = list(_imports(self.tree))

    def __repr__(self) -> str:
        return self.name

    @property
    def domain(self) -> str | None:
        """The domain that it belongs to."""
        return self.parts[1] if self.parts[0] == "server" and self.parts[1] in DOMAINS else None


def _imports(tree: ast.AST) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield from (Import(node.module, alias.name) for alias in node.names)


SOURCES = [
    Source(path)
    for folder in ("protocol", "server")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
SERVER = [source for source in SOURCES if source.parts[0] == "server"]
PROTOCOL = [source for source in SOURCES if source.parts[0] == "protocol"]
BY_NAME = {source.name: source for source in SOURCES}


def each(sources: list[Source]) -> pytest.MarkDecorator:
    """One case a file."""
    return pytest.mark.parametrize("source", sources, ids=repr)


@each(PROTOCOL)
def test_the_contract_knows_nothing_of_the_server(source: Source) -> None:
    assert not [i for i in source.imports if i.within("server") or i.within("tests")]


@each([s for s in PROTOCOL if s.parts[1] != "client"])
def test_the_contract_is_msgspec_and_the_standard_library(source: Source) -> None:
    known = {*sys.stdlib_module_names, "msgspec", "protocol"}
    assert {i.module.split(".")[0] for i in source.imports} <= known
    assert not [i for i in source.imports if i.within("protocol.client")]


@each([s for s in SERVER if s.parts[-1] in PURE])
def test_rules_take_time_and_chance_as_arguments(source: Source) -> None:
    assert not [i for i in source.imports for impure in IMPURE if i.within(impure)]
    called = {ast.unparse(n.func) for n in ast.walk(source.tree) if isinstance(n, ast.Call)}
    assert not {c for c in called if re.search(r"\b(now|utcnow|today|open|print|input)$", c)}
    assert not [n for n in ast.walk(source.tree) if isinstance(n, ast.AsyncFunctionDef)]


def _constants(tree: ast.AST) -> Iterator[str]:
    """Every text but the docstrings."""
    docs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.value


@each([s for s in SOURCES if s.parts[-1] not in WITH_SQL and s.parts[1] != "database"])
def test_sql_stands_in_stores_and_in_the_database_only(source: Source) -> None:
    calls = [n for n in ast.walk(source.tree) if isinstance(n, ast.Call)]
    assert not [n for n in calls if ast.unparse(n.func).split(".")[-1] in NAMED]
    assert not [text for text in _constants(source.tree) if SQL.match(text)]


def test_sql_is_recognised() -> None:
    assert SQL.match("select a from b")
    assert SQL.match(" insert into b (a)")
    assert not SQL.match("update")
    assert not SQL.match("selected")


def test_every_statement_has_a_name_of_its_own() -> None:
    names = [
        (node.args[0].value, source.name)
        for source in SERVER
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in NAMED
        if isinstance(node.args[0], ast.Constant)
    ]
    assert len({name for name, _ in names}) == len(names)
    for name, where in names:
        assert str(name).split(".")[0] in (where.split("/")[-2], "history"), where


@each([s for s in SERVER if s.parts[1] in ("gateway", "transport", "database", "runtime")])
def test_what_all_stand_on_knows_no_domain(source: Source) -> None:
    above = [f"server.{name}" for name in (*DOMAINS, "app", "cli", "config", "domains", "http")]
    assert not [i for i in source.imports for name in above if i.within(name)]


ABOVE = {
    "transport": ("gateway", "database"),
    "database": ("gateway", "transport"),
    "runtime": ("gateway", "transport", "database"),
}
"""What each part of the ground may not import: the gateway is above the transports and the
database, which know nothing of each other, and the runtime is below all."""


@each([s for s in SERVER if s.parts[1] in ABOVE])
def test_the_parts_of_the_ground_use_what_is_below_them(source: Source) -> None:
    above = [f"server.{name}" for name in ABOVE[source.parts[1]]]
    assert not [i for i in source.imports for name in above if i.within(name)]


@each([s for s in SERVER if s.parts[1] in DOMAINS])
def test_no_domain_knows_the_transports(source: Source) -> None:
    assert not [i for i in source.imports if i.within("server.transport")]


def _names(tree: ast.AST) -> set[str]:
    """Every name of a variable, an attribute, an argument, a function or a class."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.add(name)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.add(name)
    return found


@each([s for s in SERVER if s.parts[1] == "transport"])
def test_a_transport_knows_no_command_and_no_user(source: Source) -> None:
    assert {i.name for i in source.imports if i.within("protocol.message")} <= {"KEPT", "Delivery"}
    assert not [i for i in source.imports if i.within("protocol.permissions")]
    assert not [i for i in source.imports if i.within("protocol.rooms")]
    users = re.compile(r"(?:^|_)(?:user|person|people|identity)(?:_|s?$)")
    words = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", n).lower() for n in _names(source.tree)}
    assert not {word for word in words if users.search(word)}


def test_every_folder_of_the_server_is_in_the_table() -> None:
    folders = {p.name for p in (ROOT / "server").iterdir() if (p / "__init__.py").is_file()}
    assert folders == {*DOMAINS, *GROUND, BESIDE} - {"dashboard"}


@each([s for s in SERVER if s.parts[1] == BESIDE])
def test_conformance_mode_stores_nothing_and_knows_no_domain(source: Source) -> None:
    barred = [f"server.{name}" for name in (*DOMAINS, "app", "cli", "database", "domains")]
    assert not [i for i in source.imports for name in barred if i.within(name)]


def test_only_the_command_line_opens_conformance_mode() -> None:
    inside = ("cli", BESIDE)
    assert not [
        s
        for s in SERVER
        if s.parts[1] not in inside
        if any(i.within(f"server.{BESIDE}") for i in s.imports)
    ]


def test_a_domain_uses_those_that_are_built_before_it() -> None:
    for number, domain in enumerate(DOMAINS):
        assert USES[domain] <= set(DOMAINS[:number]), domain


def test_a_domain_s_door_says_what_it_is() -> None:
    for domain in domains.DOMAINS:
        door = BY_NAME[f"server/{domain.name}/__init__.py"]
        assert "DOMAIN" in _exports(door)
        tables = {table.name for table in domain.tables}
        there = ROOT / "server" / domain.name
        assert bool(tables) == (there / "tables.py").exists(), domain.name
        assert bool(domain.settings) == (there / "settings.py").exists(), domain.name
        assert bool(domain.invariants) == (there / "invariants.py").exists(), domain.name


def test_every_table_is_the_history_s_or_a_domain_s() -> None:
    owned = [table.name for domain in domains.DOMAINS for table in domain.tables]
    history = {"facts", "room_events", "room_numbers", "kept_replies"}
    assert sorted([*owned, *history]) == sorted(metadata.tables)


@each([s for s in SERVER if s.domain is not None])
def test_domains_use_others_through_their_doors(source: Source) -> None:
    assert source.domain is not None
    for imported in source.imports:
        for domain in DOMAINS:
            if domain != source.domain and imported.within(f"server.{domain}"):
                assert domain in USES[source.domain], imported
                assert imported.module == f"server.{domain}", f"{imported} is not its door"
                door = BY_NAME[f"server/{domain}/__init__.py"]
                assert imported.name in _exports(door), imported


def _exports(door: Source) -> list[str]:
    for node in door.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


@each([s for s in SERVER if s.domain is None])
def test_only_the_composition_root_opens_domains(source: Source) -> None:
    used = [i for i in source.imports for d in DOMAINS if i.within(f"server.{d}")]
    if source.name not in ENTRIES:
        assert used == []
    assert not [i for i in used if i.module.count(".") > 1], "a door is enough"


def test_only_one_file_lists_the_domains() -> None:
    """A domain's value is made in its door, and read from the list alone."""
    readers = {
        source.name
        for source in SERVER
        if any(i.name == "DOMAIN" for i in source.imports)
        or any(isinstance(n, ast.Attribute) and n.attr == "DOMAIN" for n in ast.walk(source.tree))
    }
    assert readers == {"server/domains.py"}


@each([s for s in SERVER if s.parts[1] == "http"])
def test_http_knows_no_domain_and_no_gateway(source: Source) -> None:
    above = [f"server.{name}" for name in (*DOMAINS, "app", "cli", "domains", "gateway")]
    assert not [i for i in source.imports for name in above if i.within(name)]


def test_only_the_reader_imports_databases() -> None:
    importers = [s.name for s in SOURCES if any(i.within("databases") for i in s.imports)]
    assert importers == ["server/database/reader.py"]


def test_only_the_gateway_knows_socketio() -> None:
    for source in SERVER:
        if any(i.within("socketio") or i.within("engineio") for i in source.imports):
            assert source.parts[1] == "gateway" or source.name == "server/app.py", source


@each(SOURCES)
def test_a_file_is_named_after_what_it_does(source: Source) -> None:
    assert not {Path(part).stem for part in source.parts} & VAGUE


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for source in SOURCES:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(source.name)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


@each(SOURCES)
def test_a_file_is_read_in_one_sitting(source: Source) -> None:
    assert len(source.text.splitlines()) <= LONGER.get(source.name, MAX_LINES)


@each(SOURCES)
def test_no_fault_is_swallowed(source: Source) -> None:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: except needs a type"
            idle = all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
            broad = ast.unparse(node.type) in ("Exception", "BaseException")
            assert not (idle and broad), f"line {node.lineno}: a fault is swallowed"
            assert not isinstance(node.body[0], ast.Pass), f"line {node.lineno}: except: pass"


def _public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{node.name}.")


@each([s for s in SOURCES if "versions" not in s.parts])
def test_everything_public_says_what_it_is(source: Source) -> None:
    assert ast.get_docstring(source.tree) or source.parts[-1] == "env.py"
    for name, node in _public(source.tree.body):
        assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        assert ast.get_docstring(node), f"{name} has no docstring"


def test_every_command_and_query_has_a_handler() -> None:
    assert unhandled() == []


def test_every_domain_s_handlers_are_listed() -> None:
    listed = {module.__name__ for domain in domains.DOMAINS for module in domain.handlers}
    there = {
        ".".join(source.parts).removesuffix(".py")
        for source in SERVER
        if source.parts[-1] == "handlers.py" and source.domain is not None
    }
    assert listed == there
