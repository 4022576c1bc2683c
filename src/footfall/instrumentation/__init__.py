"""How a call becomes a use."""
