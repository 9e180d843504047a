"""What Sphinx makes of the pages. `python -m website` puts these together first."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "Civitas"
author = copyright = "the authors of Civitas"
version = release = tomllib.loads(
    (ROOT / "packages" / "civitas-core" / "pyproject.toml").read_text()
)["project"]["version"]

extensions = ["myst_parser", "website.linking"]
root_doc = "index"
myst_enable_extensions = ["fieldlist"]
myst_heading_anchors = 4
smartquotes_action = "D"  # a dash between a parameter and its description; quotes stay as they are
maximum_signature_line_length = 88
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "Civitas"
html_logo = "static/mark.svg"
html_favicon = "static/mark.svg"
html_static_path = ["static"]
html_css_files = ["civitas.css"]
html_js_files = ["copy.js"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b6e5f",
        "color-brand-content": "#0b6e5f",
        "color-sidebar-link-text": "#3a4846",
        "color-sidebar-link-text--top-level": "#3a4846",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5fd0bd",
        "color-brand-content": "#5fd0bd",
        "color-sidebar-link-text": "#b7c4c1",
        "color-sidebar-link-text--top-level": "#b7c4c1",
    },
}
