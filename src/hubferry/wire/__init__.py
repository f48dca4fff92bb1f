"""HTTP/1.1 as moving large files needs it: one buffer from the socket to whoever writes it down.

docs/adr/0005-a-client-of-our-own.md says why no general client does, and what was measured. What an answer's
head says is read by llhttp (`httptools`); this package opens connections, keeps them, and fills buffers. It
knows nothing of hubs, tokens or redirects: `hubferry.hubs.http.client` does.
"""
