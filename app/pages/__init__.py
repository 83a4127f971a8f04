"""What makes pages: their shell, forms, lists, access, and the files that they load."""
