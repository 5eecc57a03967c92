"""What runs in the console's process, and what it is told of the window."""
