"""The window around the panels: menus, toolbar, docks, messages, status."""
