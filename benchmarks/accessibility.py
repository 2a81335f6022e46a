"""Open pages of the built site, and say what a reader would stumble over.

    python benchmarks/accessibility.py [--site site] [--pictures FOLDER] [PAGE ...]

Each page is opened in Chromium as a file, light and dark, on a desktop and on a telephone. It must
ask nothing of another host, log nothing, not be wider than the screen, and have no serious or
critical violation of what axe-core checks (https://github.com/dequelabs/axe-core).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).parents[1]
if str(ROOT / "tests") not in sys.path:  # when run as a script
    sys.path.insert(0, str(ROOT / "tests"))

if TYPE_CHECKING:
    from support.browser import Browser

PAGES: Final = (
    *("index", "environments", "wrappers", "vector", "ppo", "course/1-corridor"),
    *("results", "api/agents", "faq", "source/examples/rllib_ppo.py"),
)
SIZES: Final = {"desktop": (1280, 900), "telephone": (390, 844)}
_AXE: Final = """
axe.run(document, {resultTypes: ["violations"]}).then(result => result.violations
    .filter(each => ["serious", "critical"].includes(each.impact))
    .map(each => `${each.id}: ${each.help}; ${each.nodes.map(node => node.target).join(", ")}`))
"""
# What lies beyond the right edge, and in nothing that scrolls.
_OUTSIDE: Final = """
[...document.querySelectorAll("article :is(p, li, dt, h1, h2, img)")]
    .filter(each => each.getBoundingClientRect().right > window.innerWidth + 1
        && !each.closest("pre, [class*=scrollable], [tabindex]"))
    .map(each => `reaches beyond the screen: ${each.outerHTML.slice(0, 100)}`)
"""


def axe_script() -> str:
    """Return the source of axe-core, as the package axe-playwright-python brings it."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found is not None, 'the extra "dev" installs axe-playwright-python'
    assert found.submodule_search_locations is not None, "it is a package"
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text()


def stumbling_blocks(
    browser: Browser,
    site: Path,
    page: str,
    *,
    size: str,
    dark: bool,
    picture: Path | None = None,
) -> list[str]:
    """Return what is wrong with a page; nothing is as it should be.

    Args:
        browser: That opens it.
        site: The folder of the site.
        page: Its name, as "course/index".
        size: A name of `SIZES`.
        dark: Whether the reader prefers a dark page.
        picture: A file for what is seen first.
    """
    width, height = SIZES[size]
    opened = browser.open(site / f"{page}.html", width=width, height=height, dark=dark)
    try:
        found = [f"logged {complaint}" for complaint in opened.complaints]
        found += [
            f"asked for {address}"
            for address in opened.requests
            if not address.startswith(site.resolve().as_uri())
        ]
        mode = opened.evaluate("document.documentElement.dataset.theme")
        if mode != ("dark" if dark else "light"):
            found.append(f"is {mode}")
        too_wide = opened.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if too_wide > 0:
            found.append(f"is {too_wide} pixels wider than the screen")
        found += opened.evaluate(_OUTSIDE)
        opened.evaluate(axe_script() + "; true")
        found += opened.evaluate(_AXE)
        if picture is not None:
            seen = opened.screenshot()
            seen.crop((0, 0, width, min(seen.height, 3 * height))).save(picture)
    finally:
        opened.close()
    return found


def main() -> None:
    """Open the pages, and end with 1 if there is something."""
    from support import browser

    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE", help='as "index"')
    parser.add_argument("--site", type=Path, default=ROOT / "site", help="the built site")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="for screenshots")
    options = parser.parse_args()
    if browser.CHROMIUM is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    num_found = 0
    with browser.opened() as running:
        for page in options.pages:
            for size in SIZES:
                for dark in (False, True):
                    name = f"{page.replace('/', '-')}-{size}-{'dark' if dark else 'light'}"
                    picture = options.pictures and options.pictures / f"{name}.png"
                    found = stumbling_blocks(
                        running, options.site, page, size=size, dark=dark, picture=picture
                    )
                    print(name, *found or ("fine",), sep="\n  ", flush=True)
                    num_found += len(found)
    if num_found:
        sys.exit(f"{num_found} found")


if __name__ == "__main__":
    main()
