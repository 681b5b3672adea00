# ruleid: random-secret-from-random
token = random.getrandbits(128)
# ok: random-secret-from-random
token = new_token()
