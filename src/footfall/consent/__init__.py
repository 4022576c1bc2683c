"""Whether anything is recorded or sent at all (design.md section 5)."""
