"""Webhooks: what happens in a shop is told to other programs, signed, once for each thing and address.

An event is written in the transaction in which it happened, the worker delivers it. Only ids and figures leave the
house; who may know more asks the API with a key. Reading other programs' events is not done here.
"""
