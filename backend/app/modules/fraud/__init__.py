"""Looking for misuse after the fact: rules over the newest visits, findings with the events behind them, one-tap undo.

It refuses nothing at the till and adds nothing to a stamp; the limits that do are the programme's and staff's.
"""
