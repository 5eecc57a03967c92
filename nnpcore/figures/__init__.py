"""Figures and tables of results, for papers and for the window's export."""
