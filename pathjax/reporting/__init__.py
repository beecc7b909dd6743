"""Report pages and tables, for runs and for reports of one's own."""
