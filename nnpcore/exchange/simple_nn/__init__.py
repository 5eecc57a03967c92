"""SIMPLE-NN's ``potential_saved``, in and out."""
