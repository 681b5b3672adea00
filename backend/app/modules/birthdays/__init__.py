"""A gift for the birthday: points, stamps or a reward, on the card in the days around it, once a person and year.
In these days purchases may count more points, too.

It gives through rewards and says so through messaging and wallets. What it gave is kept here under a unique key; the
day itself stays with customers, and is looked at by the clock of the store whose card the person uses.
"""
