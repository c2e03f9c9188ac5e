"""Charts as SVG text in the theme's colours: no script, no reference to anything outside, every text escaped.

Shapes carry classes; `style` gives the rules and the colours as CSS custom properties, so that one picture serves light, dark and paper.
"""
