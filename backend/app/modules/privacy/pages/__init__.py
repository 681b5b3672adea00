"""The thin edges: the holder's pages, links from mails, the notice, the dashboard."""
