"""A fleet that lives: an account in memory, consumers and people with habits, and the product run day by day."""
