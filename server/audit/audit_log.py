"""Recording who changed what: a row in the unit that does it, and a line in the server's log."""

from functools import partial

from server.audit.store import AuditRows
from server.database import Work
from server.gateway import Act
from server.runtime.correlation import CORRELATION_ID, written
from server.runtime.log import logger

log = logger("audit")


class AuditLog:
    """The audit log, to be written to. An act and its row are committed together, or neither."""

    def __init__(self, rows: AuditRows) -> None:
        self._rows = rows

    def record(self, work: Work, act: Act) -> None:
        """Put an act into the unit that does it; it is logged once that is committed.

        Its row has the correlation id under which the log has it.
        """
        ident = CORRELATION_ID.get()
        self._rows.add(work, act, None if ident is None else written(ident))
        fields = act._asdict()
        del fields["at"]  # the line has its own
        work.on_commit(partial(log.info, "command_audited", **fields))
