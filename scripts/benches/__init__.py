"""Benches: each compares two things in turn, in one run, on a real server."""
