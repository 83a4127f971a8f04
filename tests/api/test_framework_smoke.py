from __future__ import annotations
def test_unknown(client):
    answer = client.get("/api/v1/nothing")
    assert answer.status_code == 404 and answer.content_type == "application/problem+json"
