"""PostgreSQL's schema and types in D1's words; pure functions of the catalog."""
