"""Sending to HTTP systems: lanes with a retry policy, from the claim to the verdict (S2)."""
