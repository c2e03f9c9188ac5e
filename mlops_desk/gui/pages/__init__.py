"""The pages of the desk, in the order of the sidebar; a page is a widget with `show_selection(selection)`."""

PAGES = (("Overview", "overview"),)
"""Title and icon of each page that there is."""
