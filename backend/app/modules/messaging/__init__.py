"""The outbox: mails are queued with the fact that causes them and sent by the worker over SMTP, once as far
as SMTP allows. Writes no texts of its own accord and decides nothing about consent; it knows no other module.
"""
