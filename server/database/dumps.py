"""Copies of a PostgreSQL database, made and put in place by its own programs.

The tables of a database are replaced in one transaction. This process alone ends it: what it sends
to psql ends without COMMIT where it, or pg_restore, ends before. Each program reads from a pipe or
writes into one that ends with this process, so none goes on alone.
Source: https://www.postgresql.org/docs/15/app-pgrestore.html, app-psql.html
"""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from server.database import history
from server.database.revisions import LOCK
from server.database.tables import metadata
from server.runtime import files
from server.runtime.interrupt import Interrupt


def our_tables() -> tuple[str, ...]:
    """The tables of all domains, of the history, and the one that has their revision, of this
    version and of those before it: only these are copied and replaced."""
    return (*metadata.tables, "alembic_version")


_LOCK_WAIT: Final = "30s"
_ERRORS_BYTES: Final = 64 * 1024
_WRONG: Final = re.compile(r"\b(?:ERROR|FATAL|PANIC|error):\s*(.*)")
_MORE: Final = re.compile(r"(?:\w+: |\s*)((?:DETAIL|HINT|detail|hint):.*)")

_BEGIN: Final = r"""
begin;
do $$ begin
  -- A server before 14, or on Windows, does not know it: its statement then ends a little later.
  perform set_config('client_connection_check_interval', '1s', false);
exception when others then null;
end $$;
set lock_timeout = :'lock_wait';
select set_config('warroom.tables', :'tables', false), set_config('warroom.force', :'force', false),
  set_config('warroom.revision', :'revision', false);
select pg_advisory_xact_lock(:lock);
do $$ declare waits int := 30; begin
  -- One that has just ended is still seen for a moment.
  while exists (
    select from pg_stat_activity where application_name like 'warroom %'
    and datname = current_database() and pid <> pg_backend_pid()
  ) loop
    if waits = 0 then
      raise exception 'the database is in use: stop the server first';
    end if;
    waits := waits - 1;
    perform pg_sleep(0.1), pg_stat_clear_snapshot();
  end loop;
end $$;
do $$ declare found text; begin
  select string_agg(quote_ident(name), ', ') into found
    from unnest(string_to_array(current_setting('warroom.tables'), ' ')) as name
    where to_regclass(quote_ident(name)) is not null;
  if found is not null and not current_setting('warroom.force')::boolean then
    raise exception 'the database has tables';
  elsif found is not null then
    execute 'drop table ' || found;
  end if;
end $$;
"""

_END: Final = r"""
-- The dump has emptied it.
reset search_path;
do $$ declare found text; begin
  if to_regclass('alembic_version') is null then
    raise exception 'the tables of the backup are in another schema than those of DATABASE_URL';
  end if;
  select version_num into found from alembic_version;
  if found is distinct from current_setting('warroom.revision') then
    raise exception 'the copy is damaged: its tables are at %, not %',
      found, current_setting('warroom.revision');
  end if;
end $$;
update facts set value = :'epoch' where name = 'epoch';
commit;
"""


def dump(url: str, interrupt: Interrupt) -> Iterator[bytes]:
    """What pg_dump writes of our tables, as of one moment. Raises OSError, Interrupted."""
    arguments = (
        *("--format=custom", "--no-owner", "--no-privileges", f"--lock-wait-timeout={_LOCK_WAIT}"),
        *(f"--table={name}" for name in our_tables()),
    )
    with _Program("pg_dump", url, arguments, stdout=subprocess.PIPE) as program:
        assert program.output is not None
        with interrupt.waking(program.kill):
            while piece := program.output.read(files.PIECE_BYTES):
                yield piece
        interrupt.check()
        program.wait()


def read_through(pieces: Iterable[bytes], interrupt: Interrupt) -> None:
    """Let pg_restore read all of a dump, and put it nowhere. Raises OSError, Interrupted."""
    arguments = (f"--file={os.devnull}",)
    with (
        _Program("pg_restore", None, arguments, stdin=subprocess.PIPE) as program,
        interrupt.waking(program.kill),
    ):
        _feed(program, pieces, interrupt)


def load(
    url: str, pieces: Iterable[bytes], its_revision: str, interrupt: Interrupt, *, force: bool
) -> None:
    """Put a dump in the place of our tables, all or nothing, with a new epoch.

    Raises OSError with the cause, Interrupted, and what `pieces` raises: all is as it was then.
    """
    given = {
        **{"tables": " ".join(our_tables()), "force": str(force), "revision": its_revision},
        **{"epoch": history.new_epoch(), "lock": str(LOCK), "lock_wait": _LOCK_WAIT},
    }
    arguments = (
        *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
        *(f"--set={name}={value}" for name, value in given.items()),
    )
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as script:
        try:
            psql = _Program("psql", url, arguments, stdin=reading)
        finally:
            os.close(reading)
        with psql:
            try:
                with interrupt.waking(psql.kill):
                    script.write(_BEGIN.encode())
                    _restore(pieces, script, interrupt)
                interrupt.check()
                script.write(_END.encode())
            except BrokenPipeError:
                interrupt.check()
                psql.wait()
                raise
            script.close()
            psql.wait()  # not interrupted any more: it may be committed


def _restore(pieces: Iterable[bytes], script: IO[bytes], interrupt: Interrupt) -> None:
    """Let pg_restore write a dump as statements, to the same psql that reads ours."""
    arguments = ("--no-owner", "--no-privileges", "--file=-")
    with (
        _Program("pg_restore", None, arguments, stdin=subprocess.PIPE, stdout=script) as program,
        interrupt.waking(program.kill),
    ):
        _feed(program, pieces, interrupt)


def _feed(program: "_Program", pieces: Iterable[bytes], interrupt: Interrupt) -> None:
    """Give a program all of its input, and wait for its end.

    Raises BrokenPipeError where what it writes to has ended before it.
    """
    assert program.input is not None
    try:
        with contextlib.suppress(BrokenPipeError):  # its end says why
            for piece in pieces:
                program.input.write(piece)
            program.input.close()
        program.wait()
    except OSError:
        interrupt.check()  # it was ended on purpose
        raise


class _Program:
    """A program of PostgreSQL while it runs. It is killed at the end of the block.

    A password reaches it by its environment: others may see arguments.
    """

    def __init__(
        self, name: str, url: str | None, arguments: Iterable[str], *, stdin: Any = None, **out: Any
    ) -> None:
        """Raises OSError where it is not installed."""
        self._name = name
        command = [name, *arguments]
        # Its words are looked through for the cause of a failure.
        environment = {**os.environ, "LC_ALL": "C", "PGAPPNAME": f"warroom {name}"}
        if url is not None:
            address, password = without_password(url)
            command += ["--no-password", f"--dbname={address}"]
            if password is not None:
                environment["PGPASSWORD"] = password
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and nothing of a client's
                command,
                env=environment,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=out.get("stdout", subprocess.DEVNULL),
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for this process, which then ends it
            )
        except FileNotFoundError:
            raise OSError(f"{name} is not installed (Debian: postgresql-client)") from None
        self.input, self.output = self._process.stdin, self._process.stdout
        self._errors = b""
        self._reader = threading.Thread(target=self._read_errors)
        self._reader.start()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        while piece := self._process.stderr.read1(files.PIECE_BYTES):  # type: ignore[attr-defined]
            self._errors = (self._errors + piece)[:_ERRORS_BYTES]

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self) -> None:
        """Wait for its end. Raises OSError with what it says is wrong; BrokenPipeError where it
        only says that nobody reads what it writes."""
        code = self._process.wait()
        self._reader.join()
        if not code:
            return
        cause = _cause(self._errors.decode(errors="replace"))
        if "canceling statement due to" in cause:
            raise OSError(f"another program has locked the tables for {_LOCK_WAIT}: {cause}")
        if cause:
            raise OSError(cause)
        if code == -signal.SIGPIPE:
            raise BrokenPipeError
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise OSError(f"{self._name} {how}")

    def __enter__(self) -> "_Program":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self.input, self.output):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what is buffered is not wanted
                    pipe.close()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def _cause(errors: str) -> str:
    """What is wrong, of all that a program has written: the first error, and what explains it."""
    said: list[str] = []
    for line in errors.splitlines():
        if said and (more := _MORE.match(line)):
            said.append(" ".join(more[1].split()))
        elif (wrong := _WRONG.search(line)) and not said:
            said.append(wrong[1])
        elif wrong:
            break
    # In a language that is not known here, the server has translated them.
    return "; ".join(said) or "; ".join(filter(None, map(str.strip, errors.splitlines()[:3])))


def without_password(url: str) -> tuple[str, str | None]:
    """An address without its password, and that."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = (
        [unquote(password)] if password else [value for key, value in query if key == "password"]
    )
    rest = urlencode([pair for pair in query if pair[0] != "password"], quote_via=quote)
    plain = urlunsplit(parts._replace(netloc=f"{name}{at}{host}", query=rest))
    return plain, given[-1] if given else None
