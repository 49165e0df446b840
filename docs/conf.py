"""The documentation as a site: `make docs`.

Its source is the whole tree, so that each link is the one that a reader of the files follows.
"""

project = "jay_sessions"
extensions = ["myst_parser"]
myst_enable_extensions = ["html_image"]  # the README sets its picture's width
myst_heading_anchors = 3
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "bench/README.md",
    "docs/*.md",
]
html_theme = "furo"
html_title = "jay_sessions"
html_copy_source = False
html_show_copyright = False
