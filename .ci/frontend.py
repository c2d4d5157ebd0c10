"""Builds the dashboard's front end, if its sources are newer than what was built last."""
