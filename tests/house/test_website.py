"""The site that `make docs` builds: what can be known of it without building it."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from tests.house.project import ROOT, tracked_files
from website.api import api_pages
from website.check import problems
from website.pages import navigation, places_of, target_at, with_links

NAMES = ROOT / "tests" / "house" / "public_names"
PLACES = places_of([path.relative_to(ROOT).as_posix() for path in tracked_files()])
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))


@pytest.fixture(scope="module")
def api():
    """The pages of the API, which are made once."""
    return api_pages(ROOT)


def test_every_page_of_the_docs_stands_in_the_navigation_of_the_site_once():
    def target_of(target: str) -> str:
        found = target_at("docs/README.md", target, PLACES, lambda _: True)
        assert found is not None
        return found[0]

    index = with_links((ROOT / "docs" / "README.md").read_text(), target_of)
    entries = [entry for pages in navigation(index).values() for entry in pages]
    listed = [f"{entry.rpartition('<')[2].rstrip('>')}.md" for entry in entries]
    pages = {place for place in PLACES.values() if not place.startswith("examples/")}
    assert sorted(listed) == sorted(pages - {"index.md"} | {"examples/index.md"})


@pytest.mark.parametrize("page", sorted(place for place in PLACES if place.endswith(".md")))
def test_headings_go_down_one_level_at_a_time(page):
    text = re.sub(r"^(`{3,}).*?^\1", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1
    assert [one for one, other in pairwise(levels) if other > one + 1] == []


def test_links_are_written_anew_and_code_stays_as_it_is():
    text = (
        "[a](../x.md#y), `[b](z)`, [c](https://example.com), [d](#here)\n```python\nf[0](z)\n```\n"
    )
    assert with_links(text, lambda target: f"<{target}>") == text.replace(
        "../x.md#y", "<../x.md#y>"
    )


@pytest.mark.parametrize(
    ("file", "target", "on_the_site"),
    [
        ("docs/guides/state.md", "../faq.md#a", ("../faq.md#a", None)),
        ("docs/guides/state.md", "../../README.md", ("../project/readme.md", None)),
        ("README.md", "docs/README.md", ("../index.md", None)),
        ("README.md", "examples/", ("../examples/index.md", None)),
        ("examples/README.md", "openai", ("openai.md", None)),
        ("examples/openai/README.md", "orders.py", ("openai.md#orderspy", None)),
        ("docs/guides/web.md", "../web-dark.png", ("../web-dark.png", "web-dark.png")),
        ("README.md", "docs/no.md", None),
    ],
)
def test_a_link_of_the_repository_leads_to_the_same_thing_on_the_site(file, target, on_the_site):
    assert target_at(file, target, PLACES, lambda goal: (ROOT / goal).exists()) == on_the_site


@pytest.mark.parametrize("door", sorted(file.stem for file in NAMES.glob("*.txt")))
def test_the_api_describes_every_public_name(api, door):
    entry = re.compile(r"^`+\{py:(?:class|exception|function|data)\} (\w+)", re.MULTILINE)
    entries = {name for page in api.values() for name in entry.findall(page)}
    assert set((NAMES / f"{door}.txt").read_text().split()) - entries == set()


def test_each_section_of_a_docstring_becomes_fields(api):
    left = [
        line
        for page in api.values()
        for line in re.findall(r"^[A-Z]\w+:\n {2,}\w.*", page, re.MULTILINE)
    ]
    assert left == []


def test_a_link_that_leads_nowhere_and_a_foreign_script_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#no">b</a><a href="#top">t</a>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#top">a</a><a href="c.html">c</a>')
    (tmp_path / "d.html").write_text('<script src="https://cdn.example.com/x.js"></script>')
    assert problems(tmp_path) == [
        "a.html: b.html#no",
        "b.html: c.html",
        "d.html: loads https://cdn.example.com/x.js",
    ]


def test_a_link_out_of_the_site_is_found_although_the_file_is_there(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "outside.txt").write_text("not published")
    (site / "a.html").write_text('<a href="../outside.txt">a</a>')
    assert problems(site) == ["a.html: ../outside.txt"]


@pytest.mark.parametrize(
    "page",
    [
        "<video src=FILE></video>",
        "<video poster=FILE></video>",
        "<object data=FILE></object>",
        "<img srcset='a.html, FILE 2x'>",
        "<style>@import 'FILE';</style>",
        "<p style='background: url(FILE)'>",
    ],
)
def test_whatever_a_page_loads_has_to_be_there_and_on_the_site(tmp_path, page):
    file = "https://cdn.example.com/x"
    (tmp_path / "a.html").write_text(page.replace("FILE", file))
    assert problems(tmp_path) == [f"a.html: loads {file}"]
    (tmp_path / "a.html").write_text(page.replace("FILE", "gone"))
    assert problems(tmp_path) == ["a.html: gone"]


def test_whatever_a_style_loads_has_to_be_there_and_on_the_site(tmp_path):
    (tmp_path / "a.css").write_text(
        '@import "https://cdn.example.com/x.css"; @import url(gone.css); /* url(never) */'
        "p { background: url(a.css) } q { background: url('data:image/png;base64,aa') }"
    )
    assert problems(tmp_path) == ["a.css: loads https://cdn.example.com/x.css", "a.css: gone.css"]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_says_what_it_shows_and_is_drawn_for_the_dark_as_well(picture):
    text = picture.read_text()
    labels = ET.fromstring(text).get("aria-labelledby")
    ids = {each.get("id") for each in ET.fromstring(text).iter()}
    assert labels is not None
    assert set(labels.split()) <= ids
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 8_000
