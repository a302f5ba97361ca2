"""The dashboard's files."""

from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles


class DashboardFiles(StaticFiles):
    """Static files, asked about at every load: an update never mixes old and new modules."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """A file, or 304 where the browser's is still right."""
        response = super().file_response(*given, **named)
        response.headers["cache-control"] = "no-cache"
        return response
