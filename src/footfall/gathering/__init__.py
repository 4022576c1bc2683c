"""`footfall.collector` and `footfall.gather`: collectors as plain functions, on `footfall.collect` and the outbox."""
