"""`--runner ray`: jobs on the nodes of a Ray cluster. Only `cluster` and `runner` import Ray.

    cluster.joined ─► runner.RayRunner ── a job a task ──► work.do     on some node
                            │                                │ a beat a second: how far it is, what it needs
                            └──── collects a second ──► desk.Desk      one actor, on the driver's node

A large repository is cut: `work.begin` looks and prepares, `work.send_share` on each node brings its share of
the blobs to the destination's storage, and `work.do` makes the one commit. docs/adr/0010 says why so.
"""
