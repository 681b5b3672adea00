"""One neutral view of a card and its renderings: the web card now, wallet passes as they are added.

Keeps them fresh; decides nothing about stamps, points or rewards.
"""
