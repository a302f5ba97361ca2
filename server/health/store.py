"""What is asked of the database to see whether it answers."""

from typing import Final

from server.database import Reader, Statement

_ANSWER: Final = Statement("health.answer", "select 1")


async def answers(reader: Reader) -> None:
    """Returns where the database answers, raises what it raises where not."""
    await reader.one(_ANSWER)
