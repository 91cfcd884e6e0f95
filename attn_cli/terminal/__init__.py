"""Terminal views: tables, heat maps and legends, drawn with rich."""
