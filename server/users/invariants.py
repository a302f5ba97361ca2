"""What is always true of the rows of users. SQL and nothing but."""

from typing import Final

from protocol.permissions import Role
from server.database import Invariant, Statement, rows

_ADMINS: Final = Statement(
    "users.check_admins",
    "select there, 1 from (select count(*) as there,"
    "  sum(case when role = :role and not disabled then 1 else 0 end) as admins"
    "  from users) as counted where there > 0 and admins = 0 limit :most",
)

INVARIANTS: Final = (
    Invariant(
        "users.an_admin",
        "where there are users, an admin may log in",
        rows(_ADMINS, "there is none among {} users", role=Role.ADMIN),
    ),
)
