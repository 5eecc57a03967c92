"""Qt-free state of data sets, runs and analyses."""
