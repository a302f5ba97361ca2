"""The Warroom server."""
