"""How the site is built: `make docs`, or `sphinx-build -W docs site`."""

from __future__ import annotations

import sys
from pathlib import Path

import twinspect

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "twinspect"
author = "The twinspect developers"
copyright = "The twinspect developers; Apache-2.0"  # noqa: A001 - Sphinx reads this name
version = release = twinspect.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated_pages",
    "python_names",
    "repository_links",
]
exclude_patterns = ["_extensions", "pictures/*.py", "notebooks/*.py"]
nitpicky = True
smartquotes = False  # it would make one dash of the two of an option

napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"

myst_enable_extensions = ["alert", "attrs_block", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # outputs are stored by `make notebooks`; slow tests run them

html_theme = "furo"
html_title = "twinspect"
html_logo = html_favicon = "../src/twinspect/serve/web/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
