"""What everything else is built on: types, errors, algebra on pytrees, and small tools of compilation."""
