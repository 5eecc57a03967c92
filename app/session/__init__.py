"""The session: data, regions, runs, selection, colouring and tasks of one window."""
