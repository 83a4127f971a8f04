"""The rules of the product: plain Python, no I/O; `now` is an argument."""
