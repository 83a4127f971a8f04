"""The PDF of error traces, as a reader sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from app.domain.kinds import Direction, Kind
from app.rendering import fonts
from app.rendering.pdf_process import Limits, PdfMaker
from app.rendering.trace_pdf import xhtml
from tests.rendering.traces import NOW, Pdf, document, failed

PATIENT = Limits(deadline=300)
MARGIN = 20 / 25.4 * 72
HOSTILE = {
    "one line of 10 MB": "x" * 10_000_000,
    "a million lines": "at x\n" * 1_000_000,
    "20,000 nested tags": "<b>" * 20_000 + "x" + "</b>" * 20_000,
    "20,000 open tags": "<table><tr><td>" * 20_000,
    "lone surrogates": "\ud800 \udfff" * 1_000,
    "control characters": "".join(map(chr, range(0x20))) * 50,
    "template marks": "{{ 7 * 7 }} {% include 'x' %} {# x #} ${x} <%= x %>\n" * 50,
    "tags that fetch": "<img src=file:///etc/passwd> <pdf:insertpdf src='/etc/passwd'>\n" * 50,
    "style that fetches": "</p><style>p{background:url(http://127.0.0.1:9/)}</style>\n" * 50,
    "entities": "&#x202e; &lt; &unknown; &#0; <!DOCTYPE x [<!ENTITY y SYSTEM 'file:///'>]>\n" * 50,
    "marks of direction": "\u2066a\u2069 \u202bא(\u202c \u200f! \u061c" * 60,
    "nothing but marks": "\u0301" * 3_000 + "\u200b" * 3_000 + "\u00ad" * 3_000,
    "spaces of all widths": "\u00a0 \u2003 \u3000 \u2028 \x85 \x0b x" * 100,
    "no characters": "\ufffe\uffff\U0010ffff" * 500,
}


@pytest.fixture(scope="module")
def maker() -> Iterator[PdfMaker]:
    """The maker that the tests of this module share; patient, as the machine may be busy."""
    with closing(PdfMaker(PATIENT)) as made:
        yield made


def test_each_failure_starts_on_a_page_with_its_own_head(maker: PdfMaker) -> None:
    made = document(
        failed("first trace"),
        failed("\n".join(f"step {n}" for n in range(100)), failure_id="82", error_code="E2"),
        failed("last trace", failure_id="83", error_code="E3"),
    )

    pages = Pdf(maker.make(made)).pages

    assert ["Global failure" in page for page in pages] == [True, True, False, True]
    steps = [page.count("step") for page in pages]
    assert (steps[0], steps[1] + steps[2], steps[3]) == (0, 100, 0)
    assert "Global failure 82\nE2\nLogin refused\n" in pages[1]
    assert "3 failures" in pages[0]


def test_every_page_names_integration_route_time_and_number(maker: PdfMaker) -> None:
    pdf = Pdf(maker.make(document(failed(), failed())))

    assert pdf.title == "Error traces of Orders EU"
    for number, page in enumerate(pdf.pages, start=1):
        assert page.startswith("Orders EU Jira → ServiceNow\n")
        assert f"Made by Tocsin, 3 Nov 2026, 10:46 UTC Page {number} of 2\n" in page


def test_the_head_tells_what_failed_and_when(maker: PdfMaker) -> None:
    page = failed(
        kind=Kind.PROCESSING, entity_type="Bug", entity_id="WEB-12", project="Web", message="a\nb"
    )

    text = Pdf(maker.make(document(page, direction=Direction.BACKWARD))).text

    assert "ServiceNow → Jira" in text
    assert "Processing failure 81\nAUTH_401\na\nb\nEntity Bug WEB-12\nProject Web\n" in text
    assert "Logged 7 times in all\nFirst 3 Nov 2026, 08:46:05 UTC\nLast 3 Nov 2026" in text


def test_the_head_does_without_what_is_not_known(maker: PdfMaker) -> None:
    entity = failed(error_code=None, entity_id="WEB-12", message=" ", count=1, last_at=NOW)
    nothing = failed(error_code=None, trace=None)

    first, second = Pdf(maker.make(document(entity, nothing))).pages

    assert "81\nWEB-12\nNo message was given.\nLogged 3 Nov 2026, 10:46:05 UTC\nTrace" in first
    assert "Global failure 81\nGlobal failure\nLogin refused\n" in second
    assert second.endswith("It was reported without a trace")


def test_what_was_cut_is_said_with_a_link(maker: PdfMaker) -> None:
    pdf = maker.make(document(failed("a\nb" + "x" * 3_000, trace_lines=998_002)))

    text = Pdf(pdf).text
    assert "Trace, 998,002 lines\n" in text
    assert "… 998,000 further lines and the rest of 1 long line: see the failure in Tocsin" in text
    links = [note["/A"]["/URI"] for page in PdfReader(BytesIO(pdf)).pages for note in _notes(page)]
    assert links == ["https://tocsin.example.org/failures/global/81"]


def _notes(page: Any) -> list[Any]:
    return [note.get_object() for note in page["/Annots"]]


def test_a_trace_that_could_not_be_read_is_not_said_to_be_missing(maker: PdfMaker) -> None:
    text = Pdf(maker.make(document(failed(None, trace_lines=12)))).text

    assert "Trace, 12 lines\nThe trace is not in this document: see the failure" in text


@pytest.mark.parametrize(
    "script",
    [
        "Grüße, ça été: ½ × ‘ß’ – €",
        "Жёлтый ключ Їжак ѣ",
        "Ωμέγα ἄνθρωπος",
        "خطأ في الاتصال",
        "שגיאה: שדה חובה",
        "错误：字段是必填项。嘅",
        "錯誤：欄位為必填",
        "エラー発生、込み働く",
        "필드는 필수입니다",
        "ผิดพลาด त्रुटि",
        "┌─┬─┐│█░▒├╬┤└┴┘",
        "→ ⇒ ≤ ≠ ∞ ✓ ✗ ⚠ •",
    ],
)
def test_every_script_is_really_drawn(maker: PdfMaker, script: str) -> None:
    pdf = Pdf(maker.make(document(failed(f"<<{script}>>"))))

    assert script in pdf.text
    assert [one.character for one in pdf.drawn() if not one.inked] == []


def test_what_no_font_has_leaves_a_mark(maker: PdfMaker) -> None:
    assert "a�b �!" in Pdf(maker.make(document(failed("a😀b \U00013000!")))).text


def test_arabic_letters_are_joined_and_read_from_the_right(maker: PdfMaker) -> None:
    drawn = Pdf(maker.make(document(failed("abc خطأ def")))).drawn()

    places = {one.character: one.left for one in drawn}
    assert places["c"] < places["أ"] < places["ط"] < places["خ"] < places["f"]


@pytest.mark.parametrize("word", ["x" * 1_990, "错" * 1_990, "a/" * 990, "W" * 300 + " W" * 300])
def test_long_words_stay_on_the_page(maker: PdfMaker, word: str) -> None:
    page = failed(word, message=word, error_code=word, entity_id=word, project=word)

    pdf = Pdf(maker.make(document(page, title=word, integration=word, system1=word)))

    for drawn in pdf.drawn():
        assert drawn.left > MARGIN - 1, drawn
        assert drawn.right < pdf.width - MARGIN + 1, drawn


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_trace_is_shown_as_it_is(maker: PdfMaker, name: str) -> None:
    page = failed(HOSTILE[name], message=HOSTILE[name][:10_000], error_code=HOSTILE[name])

    text = Pdf(maker.make(document(page))).text

    assert "Global failure 81" in text
    assert not set(text) & set(map(chr, [*range(9), *range(14, 32), 127]))


def test_what_looks_like_markup_is_drawn_as_typed(maker: PdfMaker) -> None:
    typed = "<b>{{ 7 * 7 }}</b> &amp; <img src=file:///etc/passwd>"

    assert typed in Pdf(maker.make(document(failed(typed)))).text


class Elements(HTMLParser):
    """The elements of a document, and their attributes but for classes and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(f"{tag} {name}" for name, _ in attrs)} - {f"{tag} class", f"{tag} id"}


@pytest.mark.parametrize(
    "mark", ["<img src=x>", "'\"><a b=c>", "</style><x>", "]]><x y='", "{{x}}"]
)
def test_no_text_becomes_an_element(mark: str) -> None:
    fields = ("failure_id", "error_code", "message", "entity_type", "entity_id", "project", "trace")
    page = failed(**dict.fromkeys(fields, mark), trace_lines=3, link=f"https://x/{mark}")
    plain = failed(**dict.fromkeys(fields, "x"), trace_lines=3)
    names: dict[str, Any] = dict.fromkeys(("title", "integration", "system1", "system2"), mark)

    assert Elements(xhtml(document(page, **names))).seen == Elements(xhtml(document(plain))).seen


def test_the_same_document_gives_the_same_xhtml() -> None:
    assert xhtml(document(failed())) == xhtml(document(failed()))


def test_without_the_fonts_it_is_drawn_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with closing(PdfMaker(PATIENT, package="no_such_package")) as own:
        text = Pdf(own.make(document(failed("Grüße: Жук 错误")))).text

    assert "Grüße: ??? ??" in text
    assert "Jira to ServiceNow" in text
    assert "pip install weblate-fonts" in caplog.text


def test_the_fonts_are_installed() -> None:
    assert len(fonts.installed()) == len(fonts.FACES)
