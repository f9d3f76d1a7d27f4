"""Sphinx's settings for the documentation site: ``make docs`` builds it offline into docs/_build/html."""

import pathlib
import posixpath
import re
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import latex2mathml.converter  # noqa: E402
import reference  # noqa: E402
from docutils import nodes  # noqa: E402
from furo.navigation import get_navigation_tree  # noqa: E402
from sphinx import addnodes  # noqa: E402
from sphinx.environment.adapters.toctree import TocTree  # noqa: E402
from sphinx.ext.napoleon import Config, NumpyDocstring  # noqa: E402

import autograd_nn  # noqa: E402

project = "autograd_nn"
author = "the authors of autograd_nn"
copyright = "the authors of autograd_nn"
version = release = autograd_nn.__version__
language = "en"

PROJECT = ("CONTRIBUTING", "ARCHITECTURE", "CHANGELOG", "SECURITY")

extensions = ["myst_nb", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "jupyter_execute"]
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 100

nb_execution_mode = "off"  # the notebooks are stored with their outputs
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"autograd_nn {version}"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

NAPOLEON = Config(napoleon_use_rtype=False, napoleon_use_ivar=True, napoleon_use_admonition_for_notes=False)


def rendered(docstring, name):
    """Return a numpydoc docstring as reStructuredText."""
    return str(NumpyDocstring(docstring, NAPOLEON, what="function", name=name))


def defining_module(app, module, name):
    """Return the module that defines a public name, whose source the page links to."""
    try:
        value = getattr(sys.modules[module], name.split(".")[0])
    except (AttributeError, KeyError):
        return None
    return getattr(reference.plain(value), "__module__", None)


def write_sources(app):
    """Write the reference, and copy notebooks and files of the root beside the pages that list them."""
    count = reference.write(HERE / "reference", rendered)
    print(f"reference: {count} public names")
    tutorials = HERE / "tutorials"
    for path in tutorials.glob("*.ipynb"):
        path.unlink()
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        shutil.copy2(path, tutorials)
    shutil.copytree(HERE.parent / "notebooks" / "pictures", tutorials / "pictures", dirs_exist_ok=True)
    project = HERE / "project"
    project.mkdir(exist_ok=True)
    for name in PROJECT:  # files of the repository's root, with their links turned
        text = (HERE.parent / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](../")
        for other in PROJECT:
            text = text.replace(f"]({other}.md)", f"]({other.lower()}.md)")
        (project / f"{name.lower()}.md").write_text(text, encoding="utf-8")


def inline_mathml(writer, node):
    """Write a formula as MathML, which browsers draw without a script."""
    writer.body.append(latex2mathml.converter.convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def display_mathml(writer, node):
    """Write a formula on a line of its own."""
    writer.body.append(f'<div class="math">{latex2mathml.converter.convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def tidy(app, doctree):
    """Link types only where a class is named (not `int`, which is also a dtype here), and call attributes so.

    A letter is a size (T steps), not the property of that name; LinAlgError is described in two modules.
    """
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node.get("refdomain") != "py":
            continue
        target = node["reftarget"]
        if len(target) == 1 or (node.get("reftype") == "class" and not target[:1].isupper()):
            node.replace_self(node.children)
        elif target == "LinAlgError":
            node["reftarget"] = "autograd_nn.linalg.LinAlgError"
    for node in doctree.findall(nodes.field_name):
        if node.astext() == "Variables":
            node.children = [nodes.Text("Attributes")]


def sidebar(app):
    """Return the sidebar as the root page shows it, and the parent of each page in it."""
    if not hasattr(app, "sidebar"):
        whole = {"collapse": False, "titles_only": True, "maxdepth": -1, "includehidden": True}
        tree = TocTree(app.env).get_toctree_for(app.config.root_doc, app.builder, **whole)
        parents = {page: parent for parent, pages in app.env.toctree_includes.items() for page in pages}
        app.sidebar = get_navigation_tree(app.builder.render_partial(tree)["fragment"]), parents
    return app.sidebar


def leave_sidebar(app, page, template, context, doctree):
    """Keep furo from making the sidebar of each page from all entries of the site: that took most of the build."""
    context.pop("toctree", None)


def write_sidebar(app, page, template, context, doctree):
    """Write the sidebar of a page: that of the root, with its links turned and the page's place marked."""
    text, parents = sidebar(app)
    root = context["content_root"]
    text = text.replace('internal" href="', f'internal" href="{root}')
    here = page
    while here in parents:
        link = f'"><a class="reference internal" href="{root}{app.builder.get_target_uri(here)}">'
        before, _, after = text.partition(link)
        if before.endswith("has-children"):
            after = after.replace("<input ", '<input checked="" ', 1)
        if here == page:
            link = link.replace('"><a class="', ' current-page"><a class="current ')
        text = f"{before} current{link}{after}"
        here = parents[here]
    context["furo_navigation_tree"] = text


def entries(app):
    """Return the full name of each entry, by its page and by what its name ends in: `Tensor.exp`, `exp`."""
    if not hasattr(app, "entries"):
        app.entries = {}
        for full, entry in app.env.get_domain("py").objects.items():
            parts = full.split(".")
            for first in range(len(parts)):
                app.entries[entry.docname, ".".join(parts[first:])] = full
    return app.entries


def lead_back(app, page, template, context, doctree):
    """Lead from a function's source to its entry: viewcode takes all names of a file for names of one module."""

    def turned(found):
        name, address, anchor = found.groups()
        document = posixpath.normpath(posixpath.join(posixpath.dirname(page), address)).removesuffix(".html")
        anchor = entries(app).get((document, name), anchor)
        return f'id="{name}">\n<a class="viewcode-back" href="{address}#{anchor}"'

    if page.startswith("_modules/"):
        back = r'id="([^"]+)">\n<a class="viewcode-back" href="([^"#]+)#([^"]+)"'
        context["body"] = re.sub(back, turned, context["body"])


def setup(app):
    app.add_html_math_renderer("mathml", (inline_mathml, None), (display_mathml, None))
    app.connect("doctree-read", tidy)
    app.connect("builder-inited", write_sources)
    app.connect("viewcode-follow-imported", defining_module)
    app.connect("html-page-context", lead_back)
    app.connect("html-page-context", leave_sidebar, priority=400)  # furo's comes at 500
    app.connect("html-page-context", write_sidebar, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
