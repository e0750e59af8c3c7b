"""The documentation and the code say the same: names on one side are looked for on the other, links lead somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
from litestar.handlers import HTTPRouteHandler

from heliograph import access, web
from heliograph.bench.registry import SCENARIOS
from heliograph.cli.roles import ROLES
from heliograph.core import model
from heliograph.core.errors import ERRORS
from heliograph.core.lanes import LANES
from heliograph.core.lifecycle import EventKind, Status
from heliograph.roles import webhooks
from heliograph.roles.api import (
    bulk,
    dead_letters,
    email_settings,
    inbox,
    notifications,
    operations,
    preferences,
    sending,
    suppressions,
    topics,
    users,
    webpush,
)
from heliograph.settings import Settings
from tests.support.metrics import shown_metrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md")])
TERMS = [
    *model.CHANNELS,
    *(f"p{level:d}" for level in model.Level),
    *get_args(model.Type),
    *get_args(model.Engagement),
    *(lane.name for lane in LANES),
    *ROLES,
]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_ANCHOR = re.compile(r"<a id=\"([^\"]+)\">")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def first_cells(name: str) -> set[str]:
    """What stands in backticks in the first cell of a page's table rows."""
    rows = [line.split("|")[1] for line in text_of(name).splitlines() if line.startswith("|")]
    return {word for cell in rows for word in re.findall(r"`([^`]+)`", cell)}


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings, and those set by hand."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
    return slugs | set(_ANCHOR.findall(text))


def links_of(page: Path) -> Iterator[str]:
    for found in _LINK.finditer(_FENCED.sub("", page.read_text("utf-8"))):
        target = found[1] or found[2]
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file of the repository, and its fragment a heading or anchor of that file."""
    broken = []
    for link in links_of(page):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_every_error_is_explained_at_its_anchor() -> None:
    """docs/errors.md has one row for each code of ERRORS, with the code as anchor and the right status."""
    rows = re.findall(r"^\| <a id=\"(\w+)\"></a>`(\w+)` \| (\d+) \|", text_of("docs/errors.md"), re.MULTILINE)
    assert rows == [(code, code, str(kind.status)) for code, kind in ERRORS.items()]


def test_every_setting_has_a_comment() -> None:
    """default.toml lists exactly the settings that exist, each with a comment that says what it means."""
    lines = [line for line in text_of("heliograph/default.toml").splitlines() if line and not line.startswith("#")]
    assert [line.split(" = ")[0] for line in lines] == list(Settings.model_fields)
    assert [line for line in lines if not re.search(r"\s# \S.{8,}", line)] == []


@pytest.mark.parametrize("names", [get_args(Status), get_args(EventKind)], ids=["statuses", "events"])
def test_every_status_and_event_stands_in_the_lifecycle(names: tuple[str, ...]) -> None:
    """docs/lifecycle.md has a row for each status and each kind of event."""
    assert set(names) - first_cells("docs/lifecycle.md") == set()


def test_every_lane_and_role_stands_in_the_architecture() -> None:
    """docs/architecture.md has a row for each lane with the role that pulls it, and one for each role."""
    text = text_of("docs/architecture.md")
    assert [lane.name for lane in LANES if f"| `{lane.name}` | `{lane.role}` |" not in text] == []
    assert [role for role in ROLES if not re.search(rf"^\| [^|]+ \| `{role}` \|", text, re.MULTILINE)] == []


def test_every_scenario_is_explained() -> None:
    """docs/performance.md has a row for each scenario of `heliograph bench`."""
    assert {scenario.name for scenario in SCENARIOS} - first_cells("docs/performance.md") == set()


def test_every_metric_is_explained() -> None:
    """docs/metrics.md has a row for each metric that /metrics shows, with its labels, and for no other."""
    rows = re.findall(r"^\| `(heliograph_\w+)` \| ([\w, ]*) \|", text_of("docs/metrics.md"), re.MULTILINE)
    assert {name: tuple(labels.replace(" ", "").split(",")) if labels.strip() else () for name, labels in rows} == {
        name: labels for name, labels in shown_metrics().items() if name.startswith("heliograph_")
    }


@pytest.mark.parametrize("term", TERMS)
def test_every_term_of_the_code_is_in_the_glossary(term: str) -> None:
    """Channels, levels, types, marks, lanes and roles are words of docs/glossary.md."""
    assert f"`{term}`" in text_of("docs/glossary.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    """A path of the repository in backticks is one: in the journey above all, where every hop names its files."""
    named = re.findall(r"`((?:heliograph|tests|deploy|docs|bench)/[\w./]*)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert page.name != "journey.md" or len(named) > 20


def routes() -> Iterator[HTTPRouteHandler]:
    """Every route handler; none of them is called."""
    nothing: Any = None
    callers = web.Callers(access.ServerKeys(nothing, nothing), access.UserTokens("", nothing))
    for handler in (
        *sending.routes(nothing, callers, nothing),
        *bulk.routes(nothing, callers),
        *topics.routes(nothing, callers),
        *notifications.routes(nothing, callers, nothing),
        *users.routes(nothing, nothing, nothing, callers, nothing),
        *preferences.routes(nothing, callers, nothing),
        *webpush.routes(nothing, callers),
        *inbox.routes(nothing, nothing, callers, nothing),
        *operations.routes(nothing, nothing, nothing, callers, nothing, nothing),
        *dead_letters.routes(nothing, callers, nothing),
        *suppressions.routes(nothing, callers, nothing),
        *email_settings.routes(nothing, callers),
        *webhooks.routes(nothing, nothing, "", 1.0, {}, nothing),
    ):
        assert isinstance(handler, HTTPRouteHandler)
        yield handler


def shape_of(path: str) -> str:
    """A path with its parameters' names left out."""
    return re.sub(r"\{[^}]+\}", "{}", path)


def test_the_api_page_has_every_route_and_no_other() -> None:
    """docs/api.md names each method and path that the handlers serve; it names none that is not served."""
    text = text_of("docs/api.md")
    documented = {(m, shape_of(p)) for m, p in re.findall(r"\b(GET|POST|PUT|DELETE) (/v1/[\w/{}-]+)", text)}
    served = {
        (str(method), shape_of(path.replace(":str", "")))
        for handler in routes()
        for path in handler.paths
        for method in handler.http_methods
        if path.startswith("/v1/")
    }
    served.add(("GET", connection_path()))
    assert documented == served


def connection_path() -> str:
    found = re.search(r"PATH: Final = \"([^\"]+)\"", text_of("heliograph/roles/realtime/socket.py"))
    assert found
    return found[1]


def test_the_api_page_has_every_close_code() -> None:
    """docs/api.md has a row for each code with which the real-time service closes a connection."""
    sources = [path.read_text("utf-8") for path in (ROOT / "heliograph").rglob("*.py")]
    ours = {code for text in sources for code in re.findall(r"^[A-Z_]+: Final = (44\d\d|10\d\d)$", text, re.MULTILINE)}
    assert len(ours) > 4
    assert ours <= set(re.findall(r"^\| (\d{4}) \|", text_of("docs/api.md"), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_can_be_read_by_their_language(page: Path) -> None:
    """Python blocks compile; JSON blocks parse."""
    for language, block in _BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            compile(block, str(page), "exec")
        elif language == "json":
            json.loads(block)


def test_the_picture_is_well_formed_and_has_a_text_alternative() -> None:
    """docs/img/architecture.svg is XML with a title and a description, names every lane, and loads nothing."""
    text = text_of("docs/img/architecture.svg")
    svg = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert svg.findtext(f"{space}title")
    assert svg.findtext(f"{space}desc")
    words = {element.text for element in svg.iter(f"{space}text")}
    families = {lane.name.partition("-")[0] for lane in LANES}  # the push providers' lanes are one box
    assert families <= words
    assert not re.search(r"<image|<script|@import|url\((?!#)", text)
