"""Rules of the `/v1` API that need nothing but the request: versions, identifiers, query strings, patches, verbs.

Pure: no Flask, no bus, no clock. The tables stand on top of each file; field tables are shared with inventory in
``steelyard_common.contracts.api``.
"""
