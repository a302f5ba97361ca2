"""Battles: live and co-operative."""
