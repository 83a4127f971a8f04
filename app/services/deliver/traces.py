"""The PDF of a mail's traces: read just before the send, made in a process that can be killed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from app.clock import monotonic, utc_now
from app.errors import TocsinError
from app.rendering.mail import Attachment, FailureMail
from app.rendering.pdf_process import PdfBusy, PdfFailed, maker
from app.rendering.trace_pdf import TraceDocument, TracePage
from app.services.deliver.content import MailJob
from app.services.deliver.found import Told, traces
from app.services.installation import Installation

log = logging.getLogger(__name__)

# What is read of the traces of one mail at the most; the PDF shows 256 KiB.
MOST_READ = 1024 * 1024
MOST_OF_ONE = 256 * 1024
MOST_WAIT_SECONDS = 60.0
FILENAME = "traces.pdf"
POISONED = (
    "The PDF of the error traces is left out, as an earlier attempt to send this mail ended "
    "Tocsin's worker; they are in Tocsin."
)


def with_pdf(site: Installation, job: MailJob, keep: Callable[[], bool]) -> MailJob | None:
    """Return `job` with the PDF of its traces attached, or with a note that says why not.

    `keep` renews what the caller holds, before and after, and every few seconds while others keep
    the maker busy, up to a minute; None: it said that sending does not go on. A mail is never kept
    by its PDF (product.md 4).
    """
    if job.claimed.lost_leases:
        return job.noting(POISONED)
    try:
        document, until = _document(site, job), monotonic() + MOST_WAIT_SECONDS
        while keep():
            try:
                pdf = maker().make(document)
            except PdfBusy:
                if monotonic() > until:
                    raise
                continue
            return job.noting("", Attachment(FILENAME, pdf)) if keep() else None
        return None
    except PdfFailed as error:
        log.warning("delivery %s goes without its PDF: %s", job.claimed.id, error)
        return job.noting(f"{error} The error traces are in Tocsin.")
    except TocsinError:
        raise
    except Exception as error:
        # Whatever a trace holds must not keep the mail.
        log.exception("delivery %s goes without its PDF", job.claimed.id)
        reason = f"The PDF could not be made ({type(error).__name__}; see the log)."
        return job.noting(f"{reason} The error traces are in Tocsin.")


def _document(site: Installation, job: MailJob) -> TraceDocument:
    mail = job.mail
    assert isinstance(mail, FailureMail)  # noqa: S101 - others have no traces
    hashes = sorted({item.row.trace_hash for item in job.traced})
    most = min(MOST_OF_ONE, MOST_READ // len(hashes))
    with site.store.reading() as connection:
        texts = traces(connection, hashes, most)
    return TraceDocument(
        title=f"Error traces of {mail.integration}",
        integration=mail.integration,
        system1=mail.system1,
        system2=mail.system2,
        direction=mail.direction,
        made_at=utc_now(),
        pages=tuple(_page(site, mail, item, texts) for item in job.traced),
    )


def _page(site: Installation, mail: FailureMail, item: Told, texts: dict[bytes, Any]) -> TracePage:
    row = item.row
    return TracePage(
        failure_id=str(row.id),
        link=f"{site.settings.public_url}/failures/{mail.kind}/{row.id}",
        kind=mail.kind,
        error_code=row.error_code,
        message=row.message,
        entity_type=row.entity_type,
        entity_id=row.entity_id,
        project=row.project,
        count=row.count,
        first_at=row.first_logged_at,
        last_at=row.last_logged_at,
        trace=texts.get(row.trace_hash),
        trace_lines=row.lines or 0,
    )
