"""Friends brought along: a personal link, and a gift for both once the friend has bought something.

The link is followed by a cookie that the friend sets by pressing the button; what is misuse or may be is held for the
shop to look at. Nobody ever sees anything about the other: neither a name nor a day.
"""
