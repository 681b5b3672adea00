"""Messages to customers who agreed: those that go by themselves, and news the shop writes. Not service mail.

Whether one may leave is asked in the moment of sending, by messaging and those who guard it.
"""
