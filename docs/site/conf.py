"""Sphinx's settings; benchmarks/build_site.py runs it."""

from pathlib import Path
from typing import Any

from mario_rl_agents.config import Config

from mario_rl_envs import __version__

HERE = Path(__file__).parent

project = "mario-rl-envs"
author = "The mario-rl-envs authors"
copyright = f"{author}, MIT license"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "index"
templates_path = ["templates"]

# As on GitHub: every heading can be linked to.
myst_heading_anchors = 4

# `name` in a docstring leads to what it names, where that is documented.
default_role = "py:obj"
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
toc_object_entries_show_parents = "hide"

html_theme = "pydata_sphinx_theme"
html_title = "mario-rl-envs"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "static/favicon.svg"
html_search_scorer = str(HERE / "search_scorer.js")
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_sidebars = {"**": ["sidebar.html"]}
html_theme_options = {
    "navbar_center": [],
    "navbar_end": ["theme-switcher"],
    "article_header_start": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "back_to_top_button": False,
    "show_toc_level": 2,
}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_copy_empty_lines = False


def shorten(app: Any, what: str, name: str, obj: Any, *rest: Any) -> tuple[str, str | None] | None:
    """Leave out the forty keywords of a configuration; its page has them as a table."""
    is_config = isinstance(obj, type) and issubclass(obj, Config)
    return ("(**settings)", None) if is_config else None


def leave_out(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Leave out what Python says of every named tuple."""
    lines[:] = [line for line in lines if not line.startswith("Create new instance of ")]


def setup(app: Any) -> None:
    """Change what autodoc writes."""
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-process-docstring", leave_out)
