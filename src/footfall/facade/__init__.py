"""The five clients' own interfaces on footfall's line."""
