"""PDFs of traces, in one process and without mail; never imported by the process that measures.

`python -m bench.drawing LINES` draws as the product does, through PdfMaker and its child, and
prints what it took as JSON.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import dataclass
from statistics import median

from app.clock import utc_now
from app.domain.kinds import Direction, Kind
from app.rendering.pdf_process import PdfMaker
from app.rendering.trace_pdf import TraceDocument, TracePage
from bench.clock import monotonic
from bench.processes import cpu_seconds, peak_mebibytes
from bench.traces import trace

FEW, FEW_TIMES, TIMES = 10, 20, 3


@dataclass(frozen=True)
class Drawn:
    """What a PDF took, in milliseconds: by the clock, and the child's processor time."""

    clock: float
    cpu: float


def main(lines: int) -> None:
    """Draw the first PDF, then few and many lines in the same child, and print."""
    with closing(PdfMaker()) as maker:
        began = monotonic()
        maker.make(_document(FEW))
        cold = (monotonic() - began) * 1000
        few = _median([_drawn(maker, FEW) for _ in range(FEW_TIMES)])
        many = _median([_drawn(maker, lines) for _ in range(TIMES)])
        assert maker.pid
        peak = peak_mebibytes(maker.pid)
    print(
        json.dumps(
            {
                "all": many.clock,
                "allCpu": many.cpu,
                "ten": few.clock,
                "tenCpu": few.cpu,
                "cold": cold,
                "peak": peak,
            }
        )
    )


def _drawn(maker: PdfMaker, lines: int) -> Drawn:
    document, child = _document(lines), maker.pid
    assert child
    began, used = monotonic(), cpu_seconds(child)
    maker.make(document)
    result = Drawn((monotonic() - began) * 1000, (cpu_seconds(child) - used) * 1000)
    assert maker.pid == child, "the child was ended in between"
    return result


def _median(drawn: list[Drawn]) -> Drawn:
    return Drawn(median(one.clock for one in drawn), median(one.cpu for one in drawn))


def _document(lines: int) -> TraceDocument:
    now = utc_now()
    page = TracePage(
        failure_id="81",
        link="https://tocsin.example.com/failures/global/81",
        kind=Kind.GLOBAL,
        error_code="E-503",
        message="The target answered 503 Service Unavailable to PUT /orders; see the log.",
        entity_type=None,
        entity_id=None,
        project=None,
        count=1,
        first_at=now,
        last_at=now,
        trace=trace(lines),
        trace_lines=lines,
    )
    return TraceDocument(
        title="Error traces of CRM to ERP",
        integration="CRM to ERP",
        system1="CRM",
        system2="ERP",
        direction=Direction.FORWARD,
        made_at=now,
        pages=(page,),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
