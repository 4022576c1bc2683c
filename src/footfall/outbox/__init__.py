"""Kept until settled."""
