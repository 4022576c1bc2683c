"""Outbox to network."""
