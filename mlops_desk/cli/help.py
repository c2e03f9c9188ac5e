"""`help`: what a metric is, how it is read and when it misleads, in a terminal."""

from __future__ import annotations

from mlops_desk.cli.call import Call
from mlops_desk.cli.terminal import Terminal
from mlops_desk.domain.metric import Family
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.reporting.help import GUIDES, help_page, is_computed, weight_lines
from mlops_desk.reporting.naming import FAMILY_NAMES


def help(call: Call) -> int:  # noqa: A001 - a command's function has its name
    """Prints the page of a metric (with what it does with weights) or of a guide, or lists them all with their first sentences."""
    name, terminal = call.arguments.metric, call.terminal
    if name is None:
        _list(terminal)
        return 0
    page = help_page(name)
    terminal.line(page.markdown.rstrip("\n"))
    if weight_lines(name):
        terminal.line()
    for line in weight_lines(name):
        terminal.line(line)
    if name not in GUIDES and not is_computed(name):
        terminal.note(f"this version does not compute {name}")
    return 0


def _list(terminal: Terminal) -> None:
    """Every metric of the catalogue by family, then the guides; an id of several families is told of in the first."""
    told: set[str] = set()
    for family in Family:
        ids = list(dict.fromkeys(one.id for one in CATALOGUE if one.family is family))
        if not ids:
            continue
        rows = [(name, help_page(name).summary) for name in ids if name not in told]
        before = [name for name in ids if name in told]
        if before:
            rows.append(("as above", ", ".join(before)))
        terminal.table((family.value, FAMILY_NAMES[family].upper()), rows)
        terminal.line()
        told |= {*ids}
    terminal.table(("guides", "GUIDES"), [(name, help_page(name).summary) for name in GUIDES])
    terminal.line()
    terminal.line("`mlops-desk help METRIC` prints a page.")
