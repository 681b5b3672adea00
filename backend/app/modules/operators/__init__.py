"""The operator's page: whoever runs the installation signs in here, sees what needs them, and puts it right.

It shows shops by name and by counts, queues, failures and the machine; never a customer, a card or what a merchant
keeps to itself. Operators are no members of any shop: their accounts, sessions and cookies are their own, made on the
server's command line and always with an authenticator app.
"""
