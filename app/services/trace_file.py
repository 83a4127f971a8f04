"""The error trace of one failure as a PDF, made when somebody asks for it."""

from __future__ import annotations

from threading import BoundedSemaphore

from sqlalchemy import select

from app.clock import utc_now
from app.domain.kinds import Direction, Kind
from app.errors import Busy, Conflict, NotFound
from app.models import Failure, Integration, Trace
from app.rendering.pdf_process import PdfBusy, PdfFailed, maker
from app.rendering.trace_pdf import TraceDocument, TracePage
from app.services.installation import Installation
from app.services.reading.failures import missing, unpacked

# A PDF waits for a program of its own: it may not use up the threads that take reports.
MOST_AT_ONCE = 2
_places = BoundedSemaphore(MOST_AT_ONCE)


def made(site: Installation, failure_id: int) -> bytes:
    """Return the PDF of a failure's trace, as mails attach it.

    Raises NotFound (also where there is no trace), Busy when too many are being made, Conflict
    where none can be made of this trace. Reads, closes its transaction, then takes some seconds.
    """
    document = _document(site, failure_id)
    if not _places.acquire(blocking=False):
        raise Busy("Two PDFs are being made already: try again in a moment.")
    try:
        return maker().make(document)
    except PdfBusy as error:
        raise Busy(f"The PDF could not be made now: {error}") from error
    except PdfFailed as error:
        raise Conflict(f"No PDF could be made of this trace: {error}") from error
    finally:
        _places.release()


def _document(site: Installation, failure_id: int) -> TraceDocument:
    query = (
        select(Failure.__table__, Integration.name, Integration.system1, Integration.system2)
        .add_columns(Trace.body, Trace.lines)
        .join_from(Failure, Integration, Integration.id == Failure.integration_id)
        .outerjoin(Trace, Trace.hash == Failure.trace_hash)
        .where(Failure.id == failure_id)
    )
    with site.store.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise missing(failure_id)
    if row.body is None:
        raise NotFound(f"The failure {failure_id} has no trace.")
    kind = row.kind or Kind.GLOBAL
    names = "error_code message entity_type entity_id project count".split()
    page = TracePage(
        failure_id=str(failure_id),
        link=f"{site.settings.public_url}/failures/{kind}/{failure_id}",
        kind=kind,
        first_at=row.first_logged_at,
        last_at=row.last_logged_at,
        trace=unpacked(row.body),
        trace_lines=row.lines or 0,
        **{name: getattr(row, name) for name in names},
    )
    return TraceDocument(
        title=f"Error trace of {row.name}",
        integration=row.name,
        system1=row.system1,
        system2=row.system2,
        direction=row.direction or Direction.FORWARD,
        made_at=utc_now(),
        pages=(page,),
    )
