"""Talk to a database: one module an engine; drivers are imported when they are used."""
