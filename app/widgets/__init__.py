"""Widgets and geometry that panels, dialogs and plots share."""
