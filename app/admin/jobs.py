"""Jobs: long pieces of work, how far they are, and what became of each row (screens.md)."""

from __future__ import annotations

from flask import request

from app.domain.kinds import JobKind, JobState, RowOutcome
from app.pages.filters import Choice
from app.pages.lists import Column, Empty, Listing
from app.pages.screen import Screen, route
from app.services.paging import PageQuery
from app.services.reading import jobs
from app.services.reading.jobs import JobRowQuery

WORDS = {
    JobKind.REGISTER: "Configure Failure Notification",
    JobKind.DELETE_FAILURES: "Delete failures",
    JobKind.RESOLVE_FAILURES: "Mark failures resolved",
    JobKind.RESET_FAILURES: "Reset retry counts",
    JobKind.ACTIVATE: "Activate integrations",
    JobKind.INACTIVATE: "Inactivate integrations",
    JobKind.SEND_AGAIN: "Send deliveries again",
}
COLOURS = {JobState.DONE: "green", JobState.FAILED: "red", JobState.RUNNING: "blue"}
LISTING = Listing(
    columns=(
        Column("Job"),
        Column("State"),
        Column("Done", "num"),
        Column("Asked for"),
        Column("Took", "num"),
    ),
    empty=Empty(
        "No jobs yet",
        "A change of many rows at once runs as a job, which goes on when you close the tab.",
        "list-details",
    ),
    noun="job",
    nouns="jobs",
)
ROWS = Listing(
    columns=(Column("What"), Column("Outcome"), Column("Reason")),
    filters=(
        Choice("outcome", "Outcome", [(str(one), str(one).capitalize()) for one in RowOutcome]),
    ),
    empty=Empty("No rows"),
    noun="row",
    nouns="rows",
)


class Jobs(Screen):
    """The jobs, and one with its rows."""

    title, path, icon, shown = "Jobs", "/jobs/", "list-details", False

    @route("/")
    def index(self) -> str:
        """Show every job, newest first."""
        view = LISTING.view(request.args, self.path, PageQuery)
        page = jobs.page(self.site, view.query)
        return self.page(
            "admin/jobs.html", view=view, page=page, total=None, words=WORDS, colours=COLOURS
        )

    @route("/<int:job_id>")
    def show(self, job_id: int) -> str:
        """Show how far a job is, and its rows; it polls until the job has ended."""
        # Before its rows: those of a job that has ended are read when nothing changes them.
        job = jobs.one(self.site, job_id)
        view = ROWS.view(request.args, f"{self.path}{job_id}", JobRowQuery)
        return self.page(
            "admin/job.html",
            view=view,
            page=jobs.rows_of(self.site, job_id, view.query),
            total=None,
            job=job,
            words=WORDS,
            colours=COLOURS,
        )


SCREENS = (Jobs,)
