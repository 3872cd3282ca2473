"""The HTTP door. ``front`` sees every request first; one blueprint a resource holds a table of routes."""
