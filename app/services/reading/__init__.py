"""What the API and the screens read: queries, filters and documents in the shapes of api.md."""
