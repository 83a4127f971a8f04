"""Numbered migrations of the database, run by `app.services.setup`."""
