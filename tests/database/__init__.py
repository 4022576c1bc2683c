"""Tables of a real database, gathered and delivered by programs that are killed: ``make database``."""
