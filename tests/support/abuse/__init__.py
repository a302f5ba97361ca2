"""Attacks on a running server, each in one place: short in the tests, in full in
`scripts/bench --abuse`."""
