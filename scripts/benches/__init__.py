"""Benches: each compares two servers or situations in turn, on real servers."""
