"""The look: colours, style sheet, icons."""
