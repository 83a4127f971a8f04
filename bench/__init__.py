"""`python -m bench`: starts the real product and measures it from outside (docs/bench.md)."""
