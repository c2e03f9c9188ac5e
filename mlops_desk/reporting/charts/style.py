"""Colours as CSS custom properties, one set for each palette, and the rules by which the charts use them."""

from __future__ import annotations

from mlops_desk import theme
from mlops_desk.theme import Palette

HEAT_LEVELS = 16
"""Into how many colours the heat ramp is cut."""
_NAMES = (
    "bg", "surface", "raised", "border", "grid", "text", "muted", "faint", "accent", "accent_soft", "ok", "warn", "bad", "ok_soft",
    "warn_soft", "bad_soft", "reference",
)  # fmt: skip


def properties(palette: Palette) -> str:
    """The declarations of a palette's custom properties, heat levels and the ink on them included."""
    pairs = [(name.replace("_", "-"), getattr(palette, name)) for name in _NAMES]
    for level in range(HEAT_LEVELS):
        color = theme.heat(palette, level / (HEAT_LEVELS - 1))
        pairs += [(f"heat-{level}", color), (f"ink-{level}", theme.ink(color))]
    return "".join(f"--{name}:{color};" for name, color in pairs)


def rules() -> str:
    """How the charts' classes look."""
    heat = "".join(
        f".h{level}{{fill:var(--heat-{level})}}.i{level}{{fill:var(--ink-{level})}}" for level in range(HEAT_LEVELS)
    )
    return _RULES + heat


_RULES = """
.chart{display:block;width:100%;height:auto;overflow:visible}
.chart text{fill:var(--muted);font-size:10px;unicode-bidi:isolate}
.chart .strong{fill:var(--text);font-weight:500}
.chart .end{text-anchor:end}
.chart .mid{text-anchor:middle}
.chart .small{font-size:9px}
.c-bad,.chart text.c-bad{fill:var(--bad)}
.c-warn,.chart text.c-warn{fill:var(--warn)}
.c-ok,.chart text.c-ok{fill:var(--ok)}
.c-accent{fill:var(--accent)}
.c-reference{fill:var(--reference)}
.c-none{fill:var(--raised);stroke:var(--border);stroke-width:.5}
.grid{stroke:var(--grid);stroke-width:1;fill:none}
.axis{stroke:var(--border);stroke-width:1;fill:none}
.line{fill:none;stroke:var(--accent);stroke-width:1.7;stroke-linejoin:round;stroke-linecap:round}
.line.r{stroke:var(--reference);stroke-width:1.4;stroke-dasharray:4 3}
.line.b{stroke:var(--bad)}
.line.w{stroke:var(--warn)}
.line.o{stroke:var(--ok)}
.band{fill:var(--accent);fill-opacity:.16}
.beyond{fill:var(--bad-soft);fill-opacity:.65}
.limit{fill:none;stroke:var(--bad);stroke-width:1;stroke-dasharray:4 3}
.warned{fill:none;stroke:var(--warn);stroke-width:1;stroke-dasharray:1.5 2.5}
.area{fill:var(--reference);fill-opacity:.22}
.area.a{fill:var(--accent);fill-opacity:.2}
.area.b{fill:var(--bad);fill-opacity:.14}
.area.w{fill:var(--warn);fill-opacity:.14}
.area.o{fill:var(--ok);fill-opacity:.12}
.edge{fill:none;stroke:var(--reference);stroke-width:1.2}
.step{fill:none;stroke:var(--accent);stroke-width:1.4;stroke-linejoin:round}
.step.r{stroke:var(--reference);stroke-dasharray:4 2.5}
.mean{fill:none;stroke:var(--accent);stroke-width:1;stroke-dasharray:1.5 2}
.mean.r{stroke:var(--reference)}
.whisker{fill:none;stroke:var(--text);stroke-width:1.1}
.dot{stroke:var(--surface);stroke-width:.8}
.hit{fill:var(--accent);fill-opacity:0}
.hit:hover{fill-opacity:.1}
.cell:hover rect,rect.cell:hover{stroke:var(--text);stroke-width:1}
"""
