"""``steelyard upgrade-check``: may this suite be upgraded to a release now, and if not, why not (howto/upgrade.md)."""
