"""The docks of the window; a panel never imports another panel."""
