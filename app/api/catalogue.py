"""The error catalogue: the codes that events may be reported with."""

from __future__ import annotations

from app.api.endpoints import Call, endpoint
from app.services import catalogue
from app.services.api_keys import Scope
from app.services.catalogue import CatalogueEntry, CatalogueQuery
from app.services.documents import Page


@endpoint("GET", "/catalogue", scope=Scope.READ, tag="Events", answers={200: Page[CatalogueEntry]})
def list_catalogue(call: Call, query: CatalogueQuery) -> Page[CatalogueEntry]:
    """The error catalogue: what each code gives an event, and where such an event would go now.

    A code is fixed once it is given.
    """
    return catalogue.page(call.site, query)
