"""The use cases, and the only code that commits."""
