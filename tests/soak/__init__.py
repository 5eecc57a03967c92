"""Attacks on the program: mutated files, deaths and faults at every file operation, two processes, a monkey.

``make soak MINUTES=10 SEED=1`` runs all of it for some minutes and prints a table of tries and faults; a
fault is what no user may ever meet: an error without words, a wrong value taken in silence, a folder that is
neither whole nor refused. ``tests/test_soak.py`` runs a short slice.
"""
