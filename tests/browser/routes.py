"""Every screen and the path that shows it; {names} come from tests/browser/seeding.py."""

from __future__ import annotations

# Endpoint -> path. A screen without an entry fails test_everywhere.
VISITS: dict[str, str] = {
    "about.index": "/about/",
    "apikeys.index": "/api-keys/",
    "apikeys.new": "/api-keys/new",
    "auditlog.index": "/audit-log/",
    "failurehelp.index": "/failures/help/?integration={integration}",
    "globalfailures.index": "/failures/global/",
    "globalfailures.show": "/failures/global/{failure}",
    "processingfailures.index": "/failures/processing/",
    "processingfailures.show": "/failures/processing/{processing}",
    "deliveries.index": "/deliveries/",
    "deliveries.show": "/deliveries/{delivery}",
    "deliveries.show of an event": "/deliveries/{routed}",
    "events.index": "/events/",
    "events.show": "/events/{event}",
    "integrations.edit": "/integrations/{integration_id}/edit",
    "integrations.index": "/integrations/",
    "integrations.new": "/integrations/new",
    "integrations.show": "/integrations/{integration_id}",
    "jobs.index": "/jobs/",
    "jobs.show": "/jobs/{job}",
    "overview.index": "/",
    "registrations.edit": "/integrations/{integration_id}/notification",
    "routing.index": "/routing/?source=metrics&severity=error",
    "routing.policy": "/routing/-/policy/metrics/{hook}",
    "schedules.edit": "/schedules/-/edit/{schedule}",
    "schedules.index": "/schedules/",
    "schedules.new": "/schedules/new",
    "systemform.edit": "/systems/{system}",
    "systemform.edit of a webhook": "/systems/{hook}",
    "systemform.new": "/systems/new?kind=smtp",
    "systemform.new of a webhook": "/systems/new?kind=webhook",
    "systems.history": "/systems/-/history/{system}",
    "systems.index": "/systems/",
    "systems.recent": "/systems/-/deliveries/{system}",
    "systems.used": "/systems/-/used/{system}",
    "tocsinsystem.index": "/tocsin/",
    "users.edit": "/users/1",
    "users.index": "/users/",
    "users.new": "/users/new",
    "savedviews.new": "/views/new?list=/integrations/&query=show%3Dfailing",
    "web_account.show": "/account",
}
# Screens that are shown before anybody has signed in.
OPEN: dict[str, str] = {"web_signing.show_sign_in": "/sign-in"}
# Endpoint -> why its GET answers no page.
NO_PAGES: dict[str, str] = {
    "deliveries.export": "a CSV file",
    "globalfailures.export": "a CSV file",
    "globalfailures.pdf": "a PDF",
    "integrations.export": "a CSV file",
    "processingfailures.export": "a CSV file",
    "processingfailures.pdf": "a PDF",
    "tests.index": "one of a test: test_systems looks at it",
    "web_signing.show_setup": "404 as soon as there is an admin: has tests of its own",
}
