"""`footfall doctor`: what would happen here, what does not work, and what to do about it."""
