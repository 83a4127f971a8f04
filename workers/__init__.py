"""The processes of Tocsin: supervisor, web, worker, scheduler and the embedded Redis."""
