"""The Eatlas window."""

from app.features import look_for_no_features
from app.overrides import hold_errors

look_for_no_features()
hold_errors()
