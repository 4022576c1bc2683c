"""Spans and journals to outbox."""
