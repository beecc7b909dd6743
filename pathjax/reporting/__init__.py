"""Report pages and tables, for runs and for your own reports."""
