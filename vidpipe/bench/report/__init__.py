"""How a bench is told: verdict, table, and a page."""
