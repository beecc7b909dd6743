"""When does a nudge leave most: strength, duration and onset of nine kinds."""
