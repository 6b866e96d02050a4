"""The confirmed changes as an Atom feed (RFC 4287): one entry for each model and run at which something shifted."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urljoin
from xml.etree import ElementTree

from mkdocs.exceptions import ConfigurationError
from mkdocs.utils.yaml import yaml_load

from bench.report import format as form
from bench.report.text import key, relative, run_key, visible
from bench.site.dataset import Site
from bench.site.sections.change_entries import (
    Entry,
    entries,
    full_label,
    levels_text,
    runs_text,
    size,
    suspect_sentence,
    verdict_text,
)

ADDRESS: Final = "report/changes.xml"
"""Where the feed lies, from the site's root."""

ATOM: Final = "http://www.w3.org/2005/Atom"
AUTHORITY: Final = "tag:benchledger,2026:"
"""How every id begins (RFC 4151). What follows comes from ids of runs: the first at the new level, and for the feed the
first of the ledger. So ids stay, and those of two ledgers differ."""

_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def feed(site: Site, site_url: str | None = None) -> str:
    """Return the feed of the confirmed changes, newest first, as text of an XML file.

    Links start from `site_url`, else from the feed itself. The feed's date is that of its newest entry, else of the
    newest run. Raises ValueError for a ledger without a run: a feed needs a date.
    """
    if not site.results:
        raise ValueError("a feed needs a date, and there is no run")
    shown = [
        (one, site.shifts.confirmed_by(one.leading).run)
        for one in entries(site.shifts.all)
        if one.status == "confirmed"
    ]
    root = ElementTree.Element("feed", {"xmlns": ATOM})
    _add(root, "id", f"{AUTHORITY}changes/{run_key(site.results[0].run.id)}")
    _add(root, "title", "Benchledger: confirmed changes")
    _add(
        root,
        "updated",
        form.stamp(max((run.started_utc for _, run in shown), default=site.results[-1].run.started_utc)),
    )
    _add(ElementTree.SubElement(root, "author"), "name", "Benchledger")
    _link(root, "self", _address(ADDRESS, site_url), "application/atom+xml")
    _link(root, "alternate", _address("report/changes.html", site_url), "text/html")
    for one, run in shown:
        _add_entry(root, one, form.stamp(run.started_utc), site_url)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def site_url(config: Path) -> str | None:
    """Return the address that a site is to have, as its mkdocs.yml says; None where it does not.

    None as well for a file that cannot be read: MkDocs says what is wrong with it.
    """
    try:
        with config.open("rb") as source:
            settings: object = yaml_load(source)
    except (OSError, ConfigurationError):
        return None
    found = settings.get("site_url") if isinstance(settings, dict) else None
    return found if isinstance(found, str) and found else None


def _add_entry(root: ElementTree.Element, one: Entry, confirmed: str, site_url: str | None) -> None:
    entry = ElementTree.SubElement(root, "entry")
    _add(entry, "id", f"{AUTHORITY}change/{run_key(one.after.run.id)}/{key(one.model)}")
    _add(entry, "title", f"{one.model} on {one.machine}: {verdict_text(one)}")
    _add(entry, "published", confirmed)
    _add(entry, "updated", confirmed)
    _link(entry, "alternate", _address(one.href, site_url), "text/html")
    _add(entry, "summary", _summary(one))


def _summary(one: Entry) -> str:
    rows = [
        f"{full_label(shift.key)}: {levels_text(shift)}, {size(shift)}, {shift.verdict}, {runs_text(shift)}."
        for shift in one.sure
    ]
    since = f"Since {form.minute(one.after.run.started_utc)}."
    return "\n".join([since, *rows, suspect_sentence(one.leading.suspects)])


def _address(target: str, site_url: str | None) -> str:
    if site_url is None:
        return relative(ADDRESS, target)
    return urljoin(site_url if site_url.endswith("/") else f"{site_url}/", relative("index.html", target))


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = _NOT_IN_XML.sub("\ufffd", visible(text))


def _link(parent: ElementTree.Element, rel: str, href: str, kind: str) -> None:
    ElementTree.SubElement(parent, "link", {"rel": rel, "href": href, "type": kind})
