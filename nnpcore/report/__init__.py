"""What is known of a run, as one page or as a folder of figures and tables."""
