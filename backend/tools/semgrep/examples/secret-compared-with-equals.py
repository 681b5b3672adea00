# ruleid: secret-compared-with-equals
if token == given:
    pass
# ruleid: secret-compared-with-equals
if pin_hash != verifier:
    pass
# ok: secret-compared-with-equals
if same(token, given):
    pass
# ok: secret-compared-with-equals
if token == "":
    pass
# ok: secret-compared-with-equals
query.where(CardLink.token_hash == hashed)
