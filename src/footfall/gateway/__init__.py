"""``footfall gateway``: OTLP in, kept on disk, delivered to usage servers. One process (extra ``gateway``).

    server ──▶ body ──▶ from_otlp ──▶ reception ──▶ keeper ──▶ outbox ──▶ courier
    (answers)  (limits)  (records      (projects,    (synced,    (of this process alone)
                          to uses)      scrubbing,    then yes)
                                        wires)

It says yes only to what is synced, and no with a wait to what it cannot keep (reliability.md P14, G1).
"""
