# ruleid: tls-unchecked
client = AsyncClient(verify=False)
# ruleid: tls-unchecked
context.check_hostname = False
# ok: tls-unchecked
client = AsyncClient(verify=context)
