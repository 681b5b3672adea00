"""The second step of a dashboard sign-in: an app's codes, passkeys and recovery codes of each member.

It is not the first step: passwords, sessions and who is a member belong to accounts, which asks this module through
SIGN_IN_FACTOR whether a right password is enough. Staff PINs and paired devices have nothing to do with it.
"""
