"""Reports: an Inspection as HTML."""
