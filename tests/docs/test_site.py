"""The site is built without a warning, whole, small, and of use without a network and a mouse."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from support.browser import CHROMIUM, opened

from benchmarks import accessibility, build_site
from benchmarks.documentation import PAGES, ROOT

pytest.importorskip("sphinx", reason="needs Sphinx, which the extra 'docs' brings")

FETCHED = {"script": "src", "img": "src", "source": "src", "video": "src", "iframe": "src"}
STAGES = ("--stages", "1-1,8-4", "--no-videos")  # the others are made alike
# What a reader searches for, and the page that must be among the first three.
SEARCHES = {
    "shaped": "environments",
    "make_vec": "vector",
    "num_envs": "vector",
    "parallel": "vector",
    "RLlib": "libraries",
    "custom wrapper": "wrappers",
    "add a wrapper": "wrappers",
    "rllib_ppo": "source/examples/rllib_ppo.py",
}
OF_PYTHON = (
    "Built-in immutable sequence",
    "Alias for field number",
    "Create new instance of",
)


class Addresses(HTMLParser):
    """Collects what a page links to and what a browser fetches for it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.fetched = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and attributes.get("href"):
            self.fetched.append(attributes["href"])
        if attributes.get(FETCHED.get(tag)):
            self.fetched.append(attributes[FETCHED[tag]])


def test_the_site(tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    build_site.make_stages(work / "stages", *STAGES)
    build_site.build(site, work)
    check_pages(site)
    check_addresses(site)
    if CHROMIUM is None:
        pytest.skip("the site is right, but not opened: Chromium is not installed")
    check_in_browser(site)


def check_pages(site):
    """Every page of the repository is one of the site, and the navigation has all of them."""
    named = {
        "index" if name == "self" else name
        for section in build_site.NAVIGATION
        for name in (re.sub(r".*<(.*)>", r"\1", page) for page in section.pages)
    }
    pages = {
        build_site.page_name(page.relative_to(ROOT).as_posix()).removesuffix(".md")
        for page in PAGES
    }
    for name in named | pages:
        assert (site / f"{name}.html").is_file(), name
    start = Addresses((site / "index.html").read_text()).links
    assert {f"{name}.html" for name in named - {"index"}} <= set(start)
    for page in site.glob("api/*.html"):
        assert not any(words in page.read_text() for words in OF_PYTHON), page
    example = (site / "source" / "examples" / "rllib_ppo.py.html").read_text()
    assert "../../libraries.html" in Addresses(example).links
    assert "python examples/rllib_ppo.py" in re.sub("<[^>]*>", "", example)


def check_addresses(site):
    """No page fetches anything from another host, and links within the site lead somewhere."""
    for page in site.rglob("*.html"):
        if page.is_relative_to(site / "_static"):
            continue  # a template of the theme
        found = Addresses(page.read_text())
        assert all(not urlsplit(address).netloc for address in found.fetched), page
        for address in (*found.links, *found.fetched):
            parts = urlsplit(address)
            if not parts.scheme and not parts.netloc and parts.path:
                assert (page.parent / unquote(parts.path)).exists(), (page, address)
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text()), style


def check_in_browser(site):
    """Pages are as they should be, and the search finds without a server."""
    with opened() as browser:
        for page, size, dark in (
            ("index", "desktop", False),
            ("environments", "desktop", True),
            ("api/routes", "telephone", False),
            ("policies", "telephone", True),
        ):
            found = accessibility.stumbling_blocks(browser, site, page, size=size, dark=dark)
            assert found == [], page
        search = browser.open(site / "search.html")
        for words, page in SEARCHES.items():
            search.evaluate("document.querySelector('#search-results').replaceChildren()")
            search.evaluate(f"Search.performSearch({words!r})")
            search.wait_until("Search.title.innerText === 'Search Results'")
            links = "[...document.querySelectorAll('#search-results li > a')]"
            first = search.evaluate(f"{links}.slice(0, 3).map(a => a.getAttribute('href'))")
            assert any(link.partition("#")[0] == f"{page}.html" for link in first), (words, first)
        search.close()


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("../benchmarks/results.md#throughput", "results.md#throughput"),
        ("../README.md", "overview.md"),
        ("course/README.md", "course/index.md"),
        ("../examples/rllib_ppo.py", "source/examples/rllib_ppo.py.md"),
        ("#here", "#here"),
        ("https://example.org/a.md", "https://example.org/a.md"),
    ],
)
def test_links_of_the_repository_become_those_of_the_site(tmp_path, link, leads_to):
    staging = build_site.Staging(tmp_path)
    page = f"[a]({link})\n\n```text\n[a]({link})\n```\n"
    (tmp_path / "page.md").write_text(page)
    staging.page(tmp_path / "page.md", repository_path="docs/page.md")
    written = Path(tmp_path, "page.md").read_text()
    assert written == f"[a]({leads_to})\n\n```text\n[a]({link})\n```\n"


def test_a_link_to_nothing_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("[a](../no.py)\n")
    with pytest.raises(FileNotFoundError, match=r"docs/page\.md links to '\.\./no\.py'"):
        build_site.Staging(tmp_path).page(tmp_path / "page.md", repository_path="docs/page.md")
