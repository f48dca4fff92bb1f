"""Pages for whoever sits at this machine: its cache, what moves, copies, mirrors, receipts.

    settings (what is shown, to whom) ─► application (routes, guard, errors)
      overview · cache_pages (cache_view, treemap) · transfer_pages · copy_pages (plans, runs)
      sync_pages (sync_view) · receipt_pages (receipt_view) · live (what changed) · checks (verifying in here)

What a page shows is read when it is asked for. What it starts is a command in a process of its own: neither
harms the other by its end. Only verifying is done in here.
"""
